// Labels, completions and cleaning: what a node is worth, what it is to teach, and what it loses.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { extractAnswer } from "../../src/answers/answer.ts";
import { cleanReasoning } from "../../src/mag/cleaning.ts";
import { answerOf, hasGold, labelOf } from "../../src/mag/labels.ts";
import { completionOf } from "../../src/train/batches/completion.ts";

const CHOICES = [
  { label: "A", text: "bank" },
  { label: "B", text: "new york" },
];

describe("labels", () => {
  test("are equal by value, not by letter", () => {
    const math = (gold: string) => ({ task: "math", choices: null, gold }) as const;
    assert.equal(labelOf("1,034.0", math("1034")), 1);
    assert.equal(labelOf("\\dfrac{14}{4}", math("3.5")), 1);
    assert.equal(labelOf("3", math("3.5")), 0);
    assert.equal(labelOf("No", { task: "yes-no", choices: null, gold: "no" }), 1);
    assert.equal(labelOf("(b) New York", { task: "multiple-choice", choices: CHOICES, gold: "B" }), 1);
  });

  test("an answer that is none is wrong, a gold answer that is none labels nothing", () => {
    assert.equal(labelOf(null, { task: "math", choices: null, gold: "3" }), 0);
    assert.equal(labelOf("", { task: "math", choices: null, gold: "3" }), 0);
    assert.equal(hasGold({ task: "multiple-choice", choices: CHOICES, gold: "C" }), false);
    assert.equal(hasGold({ task: "math", choices: null, gold: "" }), false);
  });

  test("only an answer that nobody recorded is read out of the reasoning", () => {
    const asked = { task: "math", choices: null, gold: "7" } as const;
    assert.equal(answerOf(undefined, "So the answer is 7.", asked), "7");
    assert.equal(answerOf(null, "So the answer is 7.", asked), null);
    assert.equal(answerOf("8", "So the answer is 7.", asked), "8");
  });
});

describe("a completion", () => {
  const math = { task: "math", choices: null } as const;

  test("ends in the sentence that the extractor reads", () => {
    assert.equal(completionOf(math, { reasoning: "3 + 4 = 7", answer: "7" }), "3 + 4 = 7 The answer is 7.");
    assert.equal(
      completionOf({ task: "yes-no", choices: null }, { reasoning: "Fish swim.", answer: "no" }),
      "Fish swim. The answer is no.",
    );
    assert.equal(
      completionOf(
        { task: "multiple-choice", choices: CHOICES },
        { reasoning: "Doors revolve.", answer: "A" },
      ),
      "Doors revolve. The answer is (A).",
    );
  });

  test("says an announcement once", () => {
    for (const reasoning of [
      "3 + 4 = 7\n#### 7",
      "3 + 4 = 7\nSo the answer is 7.",
      "3 + 4 = 7\nFinal answer: $7$",
    ]) {
      assert.equal(completionOf(math, { reasoning, answer: "7" }), "3 + 4 = 7 The answer is 7.", reasoning);
    }
  });

  test("keeps what announces another answer, and still ends in its own", () => {
    assert.equal(
      completionOf(math, { reasoning: "3 + 4 = 8\nThe answer is 8.", answer: "7" }),
      "3 + 4 = 8\nThe answer is 8.\nThe answer is 7.",
    );
  });

  test("ends before its reasoning runs on into another question", () => {
    const reasoning = "3 + 4 = 7\nThe answer is 7.\n\nQuestion: Bob has 3.\nThe answer is 3.";
    assert.equal(completionOf(math, { reasoning, answer: "7" }), "3 + 4 = 7 The answer is 7.");
  });

  test("is read as its node's answer whatever that is", () => {
    for (const answer of [
      "-\\frac{3}{10}",
      "9 - 8b",
      "(-7, 3)",
      "63\\pi",
      "x \\in [-2,7]",
      "1,234",
      "\\frac{1}{2}, \\frac{3}{4}",
    ]) {
      const text = completionOf(math, { reasoning: "Because of the theorem of 12 and 13.", answer });
      assert.ok(text !== null, answer);
      assert.equal(labelOf(extractAnswer("math", text), { ...math, gold: answer }), 1, text);
    }
  });

  test("without an answer is the reasoning, without reasoning the sentence", () => {
    assert.equal(completionOf(math, { reasoning: "Hm.", answer: null }), "Hm.");
    assert.equal(completionOf(math, { reasoning: "", answer: "7" }), "The answer is 7.");
  });
});

describe("cleaning", () => {
  const cleaned = (text: string): string => cleanReasoning(text, "echoes", true).text;

  test("takes out sentences that only echo the debate, and counts them", () => {
    const text =
      "I agree with you. A bank has doors. I still disagree with Agent 2 that it is B.\nAfter considering the other agents' views, I keep mine.";
    const { echoesRemoved, text: rest } = cleanReasoning(text, "echoes", true);
    assert.equal(rest, "A bank has doors.");
    assert.equal(echoesRemoved, 3);
  });

  test("takes out opening words about others' solutions, and keeps what follows them", () => {
    for (const [said, kept] of [
      ["After examining the solutions provided by the other agents, I agree that 3 + 4 = 7.", "3 + 4 = 7."],
      ["Upon reviewing the given solutions, it seems that x = 2.", "X = 2."],
      ["Based on the calculations of another agent, the total is $76.80.", "The total is $76.80."],
      ["After examining the solutions provided by other agents, I agree with the third.", ""],
      [
        "After adding 3 to both sides, we see that x = 4.",
        "After adding 3 to both sides, we see that x = 4.",
      ],
    ] as const) {
      assert.equal(cleaned(said), kept);
    }
  });

  test("takes out what the debate told its speakers to say, and apologies", () => {
    const text =
      "Please defend your opinion or give in to my opinion. Fish swim. I'm sorry, but I must disagree with your opinion. Make sure to state your answer at the end of the response.";
    assert.equal(cleaned(text), "Fish swim.");
  });

  test("of others: every sentence that mentions them, once they were heard", () => {
    const text = "The first agent forgot that 3 + 4 = 7. The second solution is x = 2. So it is 7.";
    assert.equal(cleanReasoning(text, "others", true).text, "So it is 7.");
    assert.equal(
      cleanReasoning("The second solution is x = 2.", "others", false).text,
      "The second solution is x = 2.",
    );
    assert.equal(cleaned(text), text);
  });

  test("keeps sentences that compute or argue, whoever they mention", () => {
    for (const text of [
      "The other agents forgot that 3 + 4 = 7.",
      "Billy hates using other people's toilets.",
      "Additionally, people thank you for presents.",
      "They agree to meet. I, too, agreed.",
      "The value is 3.5 and \\(x\\) stays.",
    ]) {
      assert.equal(cleaned(text), text);
    }
  });

  test("keeps the layout of what stays", () => {
    assert.equal(
      cleaned("1. First.\n\n   2. Second.  Third.\n\\[\nx = 1\n\\]"),
      "1. First.\n\n   2. Second.  Third.\n\\[\nx = 1\n\\]",
    );
  });

  test("takes out calculator annotations", () => {
    const { text, annotationsRemoved } = cleanReasoning(
      "9 * $2 = $<<9*2=18>>18 at the market.",
      "echoes",
      false,
    );
    assert.equal(text, "9 * $2 = $18 at the market.");
    assert.equal(annotationsRemoved, 1);
  });

  test("as released: sentences at '. ' that begin with I agree or I disagree", () => {
    const { text, echoesRemoved } = cleanReasoning(
      "I agree with it. So 2. I also agree. I disagree, as 3 is odd",
      "released",
      true,
    );
    assert.equal(text, "So 2. I also agree");
    assert.equal(echoesRemoved, 2);
    assert.deepEqual(cleanReasoning("I agree. So 2.", "none", true), {
      text: "I agree. So 2.",
      echoesRemoved: 0,
      annotationsRemoved: 0,
    });
  });
});
