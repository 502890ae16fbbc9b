// Server-sent events out of pieces, as the HTML standard reads them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser, readEvents, type ServerSentEvent } from "../../src/client/event-parser.ts";

function parse(...pieces: string[]): ServerSentEvent[] {
  const parser = new EventParser();
  return pieces.flatMap((piece) => parser.feed(piece));
}

const message = (data: string) => ({ event: "message", data });

test("fields, comments, names and events without data", () => {
  assert.deepEqual(parse("data: a\n\n"), [message("a")]);
  assert.deepEqual(parse("data:a\n\n"), [message("a")]);
  assert.deepEqual(parse("data:  a \n\n"), [message(" a ")]);
  assert.deepEqual(parse(": keep-alive\n\ndata: a\n: in between\ndata: b\n\n"), [message("a\nb")]);
  assert.deepEqual(parse("event: vote\ndata: {}\n\ndata: {}\n\n"), [
    { event: "vote", data: "{}" },
    message("{}"),
  ]);
  assert.deepEqual(parse("event: lonely\n\nid: 7\nretry: 9\nunknown: x\n\n"), []);
  assert.deepEqual(parse("data\n\n"), [message("")]);
  assert.deepEqual(parse("data\ndata\n\n"), [message("\n")]);
  assert.deepEqual(parse("\uFEFFdata: a\n\ndata: \uFEFF\n\n"), [message("a"), message("\uFEFF")]);
});

test("an event whose empty line has not come is not there", () => {
  assert.deepEqual(parse("data: a\n\ndata: b\n"), [message("a")]);
  assert.deepEqual(parse("data: a\n\ndata: b"), [message("a")]);
});

test("every line end, split at every place into every pair of pieces, gives the same events", () => {
  const lines = [
    "\uFEFFevent: token",
    'data: {"text":"ü"}',
    "",
    ":c",
    "data: 1",
    "data: 2",
    "",
    "data: [DONE]",
    "",
    "",
  ];
  const expected = [{ event: "token", data: '{"text":"ü"}' }, message("1\n2"), message("[DONE]")];
  for (const end of ["\n", "\r", "\r\n"]) {
    const text = lines.join(end);
    assert.deepEqual(parse(text), expected, JSON.stringify(end));
    assert.deepEqual(parse(...text), expected, `${JSON.stringify(end)} character by character`);
    for (let first = 0; first <= text.length; first++) {
      for (let second = first; second <= text.length; second += 3) {
        const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)];
        assert.deepEqual(parse(...pieces), expected, JSON.stringify(pieces));
      }
    }
  }
});

test("characters that are split between two chunks of bytes are whole", async () => {
  const bytes = new TextEncoder().encode("data: 🐟é\n\n");
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const events: ServerSentEvent[] = [];
  for await (const event of readEvents(body)) events.push(event);
  assert.deepEqual(events, [message("🐟é")]);
});

test("leaving the loop cancels the body", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("data: a\n\ndata: b\n\n")),
    cancel: () => {
      cancelled = true;
    },
  });
  for await (const event of readEvents(body)) {
    assert.deepEqual(event, message("a"));
    break;
  }
  assert.ok(cancelled);
});
