// Many questions on one socket through the client, against the real app.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MagdiClient,
  MagdiConnectionError,
  type ReasonFrame,
  ReasonSession,
} from "../../src/client/index.ts";
import { openSocket, platformSocket, subprotocols } from "../../src/client/socket.ts";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { type RunningApp, type RunningOptions, runTiny } from "../server/support/running-app.ts";
import { until } from "../server/support/until.ts";

const VARIED = { question: "How many are 2 + 2? {{The answer is [4457].}}", samples: 5 };
const ENDLESS = { question: "Count. {{abc*}}", max_tokens: 50_000 };
const LONG: RunningOptions = { contextLength: 60_000 };

const clientOf = (server: RunningApp) => new MagdiClient({ baseUrl: server.url });

test("many questions at once, each with its own frames, and the answers of plain HTTP", async (t) => {
  const { server } = await runTiny(t);
  const client = clientOf(server);
  const session = await client.connect();
  const seeds = Array.from({ length: 20 }, (_, seed) => seed);
  const runs = seeds.map((seed) => session.reason({ ...VARIED, seed }));
  assert.equal(new Set(runs.map(({ id }) => id)).size, 20);
  const answered = await Promise.all(
    runs.map(async (run) => {
      const frames: ReasonFrame[] = [];
      for await (const frame of run) frames.push(frame);
      assert.ok(frames.every(({ id }) => id === run.id));
      assert.equal(frames[0]?.type, "accepted");
      assert.equal(frames.at(-1)?.type, "result");
      return run.result;
    }),
  );
  for (const seed of seeds) {
    const whole = await client.reason({ ...VARIED, seed });
    assert.equal(answered[seed]?.answer, whole.answer);
    assert.deepEqual(answered[seed]?.votes, whole.votes);
  }
  await session.ping();
  assert.equal((await session.close()).code, 1000);
  assert.equal((await session.closed).code, 1000);
});

test("cancel ends one request with the code cancelled, and no other", async (t) => {
  const { server, student } = await runTiny(t, LONG);
  const session = await clientOf(server).connect();
  const endless = session.reason(ENDLESS);
  const other = session.reason(VARIED);
  for await (const frame of endless) if (frame.type === "token") break;
  endless.cancel();
  await assert.rejects(endless.result, { name: "MagdiApiError", code: "cancelled" });
  await assert.rejects(
    async () => {
      for await (const _ of endless) {
        // What had come is still there, then the error.
      }
    },
    { code: "cancelled" },
  );
  assert.ok((await other.result).answer);
  endless.cancel();
  await session.ping();
  await until(() => student.engine.stats().samplesRunning === 0);
  await session.close();
});

test("enough settles on the samples that have finished", async (t) => {
  const { server } = await runTiny(t, LONG);
  const session = await clientOf(server).connect();
  const run = session.reason({
    question: "How many? {{[4x]. The answer is 4.}}",
    samples: 6,
    early_stop: "off",
    seed: 1,
  });
  for await (const frame of run) {
    if (frame.type === "vote") {
      run.enough();
      break;
    }
  }
  const result = await run.result;
  assert.equal(result.answer, "4");
  assert.ok(result.stop_reason === "enough" || result.decided_at === 6);
  await session.close();
});

test("an abort ends a request at once, here and on the server", async (t) => {
  const { server, student } = await runTiny(t, LONG);
  const session = await clientOf(server).connect();
  const controller = new AbortController();
  const run = session.reason(ENDLESS, { signal: controller.signal });
  for await (const frame of run) if (frame.type === "token") break;
  const reason = new Error("no more");
  controller.abort(reason);
  await assert.rejects(run.result, (error) => error === reason);
  await until(() => student.engine.stats().samplesRunning === 0);
  assert.ok((await session.reason(VARIED).result).answer);
  await session.close();
});

test("what is wrong with a question comes out of its run alone", async (t) => {
  const { server } = await runTiny(t);
  const session = await clientOf(server).connect();
  const wrong = session.reason({ question: "x", temperature: 9 });
  const unknown = session.reason({ question: "x", model: "other" });
  const right = session.reason(VARIED);
  await assert.rejects(wrong.result, { name: "MagdiApiError", param: "temperature", status: null });
  await assert.rejects(unknown.result, { code: "model_not_found" });
  assert.ok((await right.result).answer);
  await session.close();
});

test("closing, from either side, ends what runs with a connection error", async (t) => {
  const { server, student } = await runTiny(t, LONG);
  const client = clientOf(server);
  const session = await client.connect();
  const run = session.reason(ENDLESS);
  for await (const frame of run) if (frame.type === "token") break;
  await session.close();
  await assert.rejects(run.result, MagdiConnectionError);
  await assert.rejects(session.ping(), MagdiConnectionError);
  await assert.rejects(session.reason(VARIED).result, MagdiConnectionError);
  await until(() => student.engine.stats().samplesRunning === 0);

  const second = await client.connect();
  await second.ping();
  await server.app.close();
  const { code, reason } = await second.closed;
  assert.equal(code, 1001);
  assert.match(reason, /shutting down/);
});

test("a request from which nothing comes times out, and its work ends", async (t) => {
  const { server, student } = await runTiny(t, LONG);
  const release = student.runner.hold();
  const url = `${server.url.replace("http", "ws")}/v1/reason/ws`;
  const { signal } = new AbortController();
  const socket = await openSocket(await platformSocket(), url, subprotocols(null), signal);
  const session = new ReasonSession(socket, 20);
  await assert.rejects(session.reason(ENDLESS).result, { name: "MagdiTimeoutError" });
  release();
  await until(() => student.engine.stats().samplesRunning === 0);
  await session.close();
});

test("why a connection could not be opened is found out", async (t) => {
  await assert.rejects(new MagdiClient({ baseUrl: "http://127.0.0.1:1" }).connect(), MagdiConnectionError);
  const { server } = await runTiny(t);
  const astray = new MagdiClient({ baseUrl: `${server.url}/elsewhere` });
  await assert.rejects(astray.connect(), { name: "MagdiApiError", status: 404 });
  await assert.rejects(
    clientOf(server).connect({ signal: AbortSignal.abort("not now") }),
    (error) => error === "not now",
  );
});

test("behaviours 22 and 23: a key opens a session, and a wrong one is the server's error", async (t) => {
  const key = "alices~secret???>>>~~~0123456789";
  const { server } = await runTiny(t, { config: { apiKeys: parseKeyList(`alice:${key}`) } });
  const session = await new MagdiClient({ baseUrl: server.url, apiKey: key }).connect();
  assert.ok((await session.reason(VARIED).result).answer);
  await session.close();
  for (const apiKey of [undefined, "no-such-key-0123456789"]) {
    const client = new MagdiClient({ baseUrl: server.url, ...(apiKey && { apiKey }) });
    const refused = { name: "MagdiApiError", status: 401, code: "invalid_api_key" };
    await assert.rejects(client.connect(), refused);
    await assert.rejects(client.reason(VARIED), refused);
    assert.deepEqual(await client.ready(), { ok: true, status: "ready" });
  }
});
