// A sample's text and its end, token by token.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { SamplingParams, TokenEvent } from "../../src/engine/request.ts";
import { Sequence } from "../../src/engine/sequence.ts";
import { GREEDY, toyTokens } from "../support/toy-engine.ts";
import { TOY_END_OF_TURN, TOY_EOS } from "../support/toy-tokenizer.ts";

function sequence(sampling: Partial<SamplingParams> = {}, maxTokens = 100): Sequence {
  const context = { tokenizer: toyTokens, eosTokenIds: [TOY_EOS, TOY_END_OF_TURN] };
  return new Sequence(2, 10, maxTokens, { ...GREEDY, ...sampling }, context);
}

const tokensOf = (text: string): number[] => [...toyTokens.encode(text, { addSpecialTokens: false })];

function feed(target: Sequence, tokens: readonly number[]): TokenEvent[] {
  return tokens.map((token) => {
    assert.ok(!target.ended, "it takes no token after its end");
    return target.accept(token, -0.5, null);
  });
}

test("an end-of-sequence token ends with stop and has no text", () => {
  for (const end of [TOY_EOS, TOY_END_OF_TURN]) {
    const target = sequence();
    const events = feed(target, [...tokensOf("hi"), end]);
    assert.deepEqual(
      events.map((event) => event.text),
      ["h", "i", ""],
    );
    const { tokenIds, text, tail, finishReason, stopString, logprobSum, logprobs } = target.result!;
    assert.deepEqual(tokenIds, [...tokensOf("hi"), end]);
    assert.deepEqual([text, tail, finishReason, stopString], ["hi", "", "stop", null]);
    assert.deepEqual([logprobSum, logprobs], [-1.5, null]);
  }
});

test("ignoreEos lets end-of-sequence tokens pass without text", () => {
  const target = sequence({ ignoreEos: true, minTokens: 5 }, 4);
  assert.deepEqual(target.maskedTokenIds, []);
  feed(target, [...tokensOf("a"), TOY_EOS, ...tokensOf("bc")]);
  assert.deepEqual([target.result!.text, target.result!.finishReason], ["abc", "length"]);
});

test("the last token that may be ends with length, unless it ends the sequence itself", () => {
  const target = sequence({}, 2);
  feed(target, tokensOf("no"));
  assert.equal(target.result!.finishReason, "length");
  const other = sequence({}, 2);
  feed(other, [...tokensOf("n"), TOY_EOS]);
  assert.equal(other.result!.finishReason, "stop");
});

test("a character of several tokens comes whole, with its last one", () => {
  const target = sequence();
  const events = feed(target, tokensOf("é😀."));
  assert.deepEqual(
    events.map((event) => event.text),
    ["", "é", "", "", "", "😀", "."],
  );
  const cut = sequence();
  feed(cut, tokensOf("a€").slice(0, 3));
  const { text, tail, finishReason } = cut.end("cancelled");
  assert.deepEqual([text, tail, finishReason], ["a\ufffd", "\ufffd", "cancelled"]);
  assert.equal(cut.end("deadline").finishReason, "cancelled", "it ends once");
});

test("a stop string never comes out, nor does any beginning of one until it is none", () => {
  const target = sequence({ stop: ["end.", "é!"] });
  const events = feed(target, tokensOf("en ené!"));
  assert.deepEqual(
    events.map((event) => event.text),
    ["", "", "en ", "", "", "", "en", ""].slice(0, events.length),
  );
  const { text, tail, finishReason, stopString } = target.result!;
  assert.deepEqual([text, tail, finishReason, stopString], ["en en", "", "stop", "é!"]);
});

test("text that was held back for a stop string comes out as the tail at the end", () => {
  for (const [reason, tokens] of [
    ["stop", [...tokensOf("the en"), TOY_EOS]],
    ["length", tokensOf("the en")],
  ] as const) {
    const target = sequence({ stop: ["end"] }, tokens.length);
    feed(target, tokens);
    const { text, tail, finishReason, stopString } = target.result!;
    assert.deepEqual([text, tail, finishReason, stopString], ["the en", "en", reason, null]);
  }
});

test("a stop string that only the end makes certain ends the text before it", () => {
  // "b" is complete, but "abc" began before it and may still come.
  const settled = sequence({ stop: ["abc", "b"] }, 3);
  feed(settled, tokensOf("xab"));
  assert.deepEqual(
    [settled.result!.text, settled.result!.finishReason, settled.result!.stopString],
    ["xa", "stop", "b"],
  );
  const cancelled = sequence({ stop: ["abc", "b"] });
  feed(cancelled, tokensOf("xab"));
  const { text, finishReason, stopString } = cancelled.end("disconnect");
  assert.deepEqual([text, finishReason, stopString], ["xa", "disconnect", null]);
});

test("minTokens masks end-of-sequence tokens and leaves stop strings in the text", () => {
  const target = sequence({ stop: ["a"], minTokens: 3 });
  const masks: number[] = [];
  for (const token of tokensOf("aab")) {
    masks.push(target.maskedTokenIds.length);
    feed(target, [token]);
  }
  assert.deepEqual([...masks, target.maskedTokenIds.length], [2, 2, 2, 0]);
  feed(target, tokensOf("ca"));
  const { text, finishReason, stopString } = target.result!;
  assert.deepEqual([text, finishReason, stopString], ["aabc", "stop", "a"]);
});

test("the cache holds what a row was given: the prompt, then one token after the other, and again after a restart", () => {
  const target = sequence();
  const [a, b, c] = tokensOf("abc");
  const seen: [number, number, boolean][] = [];
  const look = () => seen.push([target.cachedTokens, target.nextInputId, target.givesNewToken]);
  feed(target, [a!]);
  look();
  target.inputComputed();
  feed(target, [b!]);
  look();
  target.inputComputed();
  feed(target, [c!]);
  look();
  target.restart();
  look();
  target.inputComputed();
  look();
  target.inputComputed();
  look();
  assert.deepEqual(seen, [
    [10, a, true],
    [11, b, true],
    [12, c, true],
    [10, a, false],
    [11, b, false],
    [12, c, true],
  ]);
});

test("log-probabilities are kept when they were asked for", () => {
  const target = sequence({ topLogprobs: 1 });
  const top = [{ tokenId: 9, logprob: -0.25 }];
  const event = target.accept(8, -1.25, top);
  assert.deepEqual(event.detail, { tokenId: 8, logprob: -1.25, top });
  assert.deepEqual(target.end("cancelled").logprobs, [{ tokenId: 8, logprob: -1.25, top }]);
});
