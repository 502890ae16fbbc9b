// Server-sent events, cut anywhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type SseEvent, SseParser } from "../../loadtest/clients/sse-parser.ts";

const TEXT =
  'event: token\ndata: {"text":"Zürich 東京"}\n\ndata: a\ndata: b\r\n\r\n: a comment\n\ndata:[DONE]\n\n';
const EVENTS: readonly SseEvent[] = [
  { event: "token", data: '{"text":"Zürich 東京"}' },
  { event: null, data: "a\nb" },
  { event: null, data: "[DONE]" },
];

test("events are the same wherever the bytes are cut, also within a character", () => {
  const bytes = Buffer.from(TEXT);
  for (let size = 1; size <= bytes.length; size++) {
    const parser = new SseParser();
    const events: SseEvent[] = [];
    for (let at = 0; at < bytes.length; at += size)
      events.push(...parser.push(bytes.subarray(at, at + size)));
    assert.deepEqual(events, EVENTS, `pieces of ${size}`);
    assert.ok(parser.empty);
  }
});

test("a stream that ends within an event is not empty", () => {
  for (const text of ["data: x", "data: x\n", "event: y\n"]) {
    const parser = new SseParser();
    assert.deepEqual(parser.push(Buffer.from(text)), []);
    assert.equal(parser.empty, false, JSON.stringify(text));
  }
});
