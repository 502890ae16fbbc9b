// Streamed answers through the client, against the real app.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import {
  MagdiApiError,
  MagdiClient,
  MagdiConnectionError,
  type ReasonFrame,
} from "../../src/client/index.ts";
import { runTiny } from "../server/support/running-app.ts";
import { until } from "../server/support/until.ts";

const VARIED = { question: "How many are 2 + 2? {{The answer is [4457].}}", samples: 5, seed: 3 };
const ENDLESS = { question: "Count. {{abc*}}", max_tokens: 50_000 };

test("frames come in order, and the result is the whole answer's", async (t) => {
  const { server } = await runTiny(t);
  const client = new MagdiClient({ baseUrl: server.url });
  const stream = client.reasonStream({ ...VARIED, early_stop: "off", return_samples: true });
  const frames: ReasonFrame[] = [];
  for await (const frame of stream) frames.push(frame);
  assert.equal(frames[0]?.type, "accepted");
  assert.equal(frames.at(-1)?.type, "result");
  assert.equal(frames.filter(({ type }) => type === "sample").length, 5);
  assert.deepEqual(
    frames.flatMap((frame) => (frame.type === "vote" ? [frame.remaining] : [])),
    [4, 3, 2, 1, 0],
  );
  const result = await stream.result();
  assert.ok(!("type" in result));
  const whole = await client.reason({ ...VARIED, early_stop: "off", return_samples: true });
  for (const key of ["answer", "votes", "usage", "samples", "seed"] as const) {
    assert.deepEqual(result[key], whole[key], key);
  }
  const texts = new Map<number, string>();
  for (const frame of frames) {
    if (frame.type === "token") texts.set(frame.sample, (texts.get(frame.sample) ?? "") + frame.text);
  }
  for (const { index, text } of whole.samples ?? []) assert.equal(texts.get(index), text);
});

test("the result alone, without reading frames; and frames once only", async (t) => {
  const { server } = await runTiny(t);
  const stream = new MagdiClient({ baseUrl: server.url }).reasonStream(VARIED);
  const [first, second] = await Promise.all([stream.result(), stream.result()]);
  assert.deepEqual(first, second);
  assert.throws(() => stream[Symbol.asyncIterator](), TypeError);
});

test("behaviour 32: leaving the loop ends the work on the server, and the result says so", async (t) => {
  const { server, student } = await runTiny(t, { contextLength: 60_000 });
  const stream = new MagdiClient({ baseUrl: server.url }).reasonStream({ ...ENDLESS, samples: 4 });
  for await (const frame of stream) if (frame.type === "token") break;
  await assert.rejects(stream.result(), { name: "AbortError" });
  await until(() => student.engine.stats().samplesRunning === 0);
});

test("an abort in the middle ends frames and result with its reason", async (t) => {
  const { server, student } = await runTiny(t, { contextLength: 60_000 });
  const controller = new AbortController();
  const stream = new MagdiClient({ baseUrl: server.url }).reasonStream(ENDLESS, {
    signal: controller.signal,
  });
  const reason = new Error("enough of this");
  await assert.rejects(
    async () => {
      for await (const frame of stream) if (frame.type === "token") controller.abort(reason);
    },
    (error) => error === reason,
  );
  await assert.rejects(stream.result(), (error) => error === reason);
  await until(() => student.engine.stats().samplesRunning === 0);
});

test("behaviour 39: a failure after the stream began is the server's error, and is not tried again", async (t) => {
  const { server, student } = await runTiny(t);
  const client = new MagdiClient({ baseUrl: server.url, wait: () => assert.fail("a retry") });
  const stream = client.reasonStream({ question: "{{abc*}}" });
  await assert.rejects(
    async () => {
      for await (const frame of stream) {
        if (frame.type === "token") student.runner.failWith = new Error("broken");
      }
    },
    (error) => {
      assert.ok(error instanceof MagdiApiError);
      assert.equal(error.code, "engine_failed");
      assert.equal(error.status, null);
      assert.ok(error.requestId);
      return true;
    },
  );
  await assert.rejects(stream.result(), MagdiApiError);
});

test("behaviours 17 and 18: what is refused before the stream has a status", async (t) => {
  const { server } = await runTiny(t, { contextLength: 64 });
  const stream = new MagdiClient({ baseUrl: server.url }).reasonStream({ question: "x".repeat(200) });
  await assert.rejects(stream.result(), { status: 400, code: "context_length_exceeded" });
});

test("a stream that is cut off before its result, or is none, is a connection error", async (t) => {
  const bodies = ['event: accepted\ndata: {"type":"accepted"}\n\n', "data: {not json\n\n", "data: 7\n\n", ""];
  const asked = bodies.values();
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).end(asked.next().value);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const client = new MagdiClient({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
  for (const _ of bodies) await assert.rejects(client.reasonStream(VARIED).result(), MagdiConnectionError);
});
