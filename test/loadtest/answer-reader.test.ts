// When tokens came, and what the answer was, out of frames and chunks with known times.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AnswerReader, readWhole } from "../../loadtest/clients/answer-reader.ts";

test("gaps are between tokens of one sample", () => {
  const reader = new AnswerReader("reason-stream", 100);
  reader.push({ type: "accepted", id: "r", model: "m", task: "math", samples: 2, seed: 1 }, 101);
  assert.equal(reader.firstTokenMs, null);
  reader.push({ type: "token", id: "r", sample: 0, text: "a" }, 110);
  reader.push({ type: "token", id: "r", sample: 1, text: "b" }, 113);
  reader.push({ type: "token", id: "r", sample: 0, text: "c" }, 130);
  reader.push({ type: "token", id: "r", sample: 1, text: "d" }, 134);
  assert.equal(reader.firstTokenMs, 10);
  assert.deepEqual(reader.gapsMs, [20, 21]);
  assert.equal(reader.answer, null);
});

test("a completion's chunks make its account", () => {
  const reader = new AnswerReader("chat-stream", 0);
  const chunk = (index: number, content: string, finish_reason: string | null = null) => ({
    choices: [{ index, delta: { content }, finish_reason }],
    usage: null,
  });
  reader.push(chunk(0, ""), 5);
  assert.equal(reader.firstTokenMs, null);
  reader.push(chunk(1, "x"), 6);
  reader.push(chunk(1, "", "stop"), 7);
  reader.push(chunk(0, "", "length"), 8);
  const usage = { prompt_tokens: 9, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } };
  reader.push({ choices: [], usage }, 9);
  assert.equal(reader.firstTokenMs, 6);
  assert.deepEqual(reader.answer, {
    type: "completion",
    completion: { promptTokens: 9, cachedTokens: 4, completionTokens: 3, finishReasons: ["length", "stop"] },
  });
});

test("an error is its code, and what is no answer is refused", () => {
  const reader = new AnswerReader("reason-socket", 0);
  reader.push({ type: "error", id: "q", error: { message: "m", type: "t", param: null, code: "c" } }, 1);
  assert.equal(reader.error, "c");
  assert.throws(() => reader.push({ no: "frame" }, 2));
  assert.throws(() => new AnswerReader("chat-stream", 0).push({ type: "token" }, 1));
  assert.throws(() => readWhole("reason", '{"answer":"4"}'));
  assert.throws(() => readWhole("chat", "<html>"));
});
