// What cleaning removes from recorded texts, and that it does so in linear time: words that open a sentence may repeat.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanReasoning } from "../../src/mag/cleaning.ts";
import { assertLinear } from "../support/processor-time.ts";

test("a sentence that opens with any words and then only agrees is an echo", () => {
  for (const sentence of [
    "I agree with Agent 1.",
    "Yes, but I agree.",
    "So, well, therefore I still completely agree.",
    "I'm sorry, but I cannot agree.",
    "I apologize for the confusion, I agree.",
    "I apologise for so so so so I agree.",
    "I apologize for that but I agree with the others.",
    "Yes, I apologize: I apologize for it, and I concur.",
    "(In conclusion, I agree.)",
  ])
    assert.equal(cleanReasoning(`3 + 4 = 7. ${sentence}`, "echoes", false).text, "3 + 4 = 7.", sentence);
  for (const sentence of [
    "But it is 7.",
    "I apologize for the confusion, it is 7.",
    "I agreed.",
    "Yes, agree.",
    "I apologize for nothing at all and for everything else I agree.",
  ])
    assert.equal(cleanReasoning(`3 + 4 = 7. ${sentence}`, "echoes", false).echoesRemoved, 0, sentence);
});

test("hostile texts are cleaned in linear time", () => {
  for (const unit of [
    "but ",
    "yes, but ",
    "i apologise for so so ",
    "i apologize for ",
    "I'm sorry, but ",
    "I also still ",
    "after the agents said, it ",
    "the other agents ",
    '"((* ',
    ". ",
    '." ',
    "<<",
    "agent 1 ",
    "\n",
    " ",
  ])
    assertLinear(
      (text) => cleanReasoning(text, "others", true),
      (length) => `${unit.repeat(Math.ceil(length / unit.length))}x`,
      32_768,
      unit,
      100,
    );
});
