import assert from "node:assert/strict";
import { test } from "node:test";
import { extractAnswer } from "../../src/answers/answer.ts";
import { TASKS } from "../../src/answers/task.ts";
import { renderPrompt } from "../../src/asking/prompts.ts";

const choices = [
  { label: "A", text: "bank" },
  { label: "B", text: "library" },
];

test("a prompt has the passage, the question, its choices and one instruction, and no system message", () => {
  const messages = renderPrompt({
    task: "multiple-choice",
    question: " Where are books? ",
    choices,
    passage: "Books live in libraries.",
  });
  assert.deepEqual(
    messages.map(({ role }) => role),
    ["user"],
  );
  const parts = messages[0].content.split("\n\n");
  assert.deepEqual(parts.slice(0, 2), [
    "Passage: Books live in libraries.",
    "Question: Where are books?\n(A) bank\n(B) library",
  ]);
  assert.equal(parts.length, 3);
});

test("what a prompt asks for is what extraction reads", () => {
  const answers = { math: "42", "multiple-choice": "B", "yes-no": "no", free: "Paris" };
  for (const task of TASKS) {
    const { content } = renderPrompt({
      task,
      question: "Q?",
      choices: task === "multiple-choice" ? choices : null,
    })[0];
    const asked = /"(The answer is[^"]*)"/.exec(content)?.[1] ?? "";
    const said = asked.includes("X") ? asked.replace("X", answers[task]) : `${asked} ${answers[task]}.`;
    assert.equal(extractAnswer(task, `Thinking.\n${said}`, { choices }), answers[task], content);
  }
});

test("a prompt that is echoed is no answer", () => {
  for (const task of TASKS) {
    if (task === "free") continue;
    const { content } = renderPrompt({ task, question: "Q?", choices })[0];
    const instruction = content.split("\n\n").at(-1) ?? "";
    assert.equal(
      extractAnswer(task, instruction, { choices: [...choices, { label: "Z", text: "zoo" }] }),
      null,
      task,
    );
  }
});

test("numbered choices are asked for by number", () => {
  const numbered = [
    { label: "1", text: "bank" },
    { label: "2", text: "library" },
  ];
  assert.match(
    renderPrompt({ task: "multiple-choice", question: "Q?", choices: numbered })[0].content,
    /the number of/,
  );
});
