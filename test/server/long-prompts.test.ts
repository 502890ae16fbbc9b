// Prompts that are far too long, over real sockets: they are refused before they are tokenised to the end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { WebSocket } from "ws";
import { type Json, runApp, runTiny } from "./support/running-app.ts";
import { type TinyStudent, tinyStudent } from "./support/tiny-student.ts";

const CONTEXT = 512;
/** As long as the server's default body can be; each word is a token of its own at least. */
const LONG = "a ".repeat(500_000);

const DISCONNECTS = 'magdi_request_failures_total{reason="disconnect"}';

function assertBounded(error: Json, param: string): void {
  assert.equal(error.code, "context_length_exceeded");
  assert.equal(error.param, param);
  assert.equal(error.context_length, CONTEXT);
  // The student's tokens are bytes: counted to the end it would be a million.
  assert.ok(error.prompt_tokens > CONTEXT && error.prompt_tokens < 500_000, String(error.prompt_tokens));
  assert.match(error.message, new RegExp(`the prompt has at least ${error.prompt_tokens} tokens`));
}

test("behaviours 17 and 18: a prompt far over the context is refused without counting it to the end", async (t) => {
  const { server, student } = await runTiny(t, { config: { bodyLimitBytes: 2 ** 21 } });
  for (const [path, body, param] of [
    ["/v1/reason", { question: LONG }, "question"],
    ["/v1/chat/completions", { messages: [{ role: "user", content: LONG }] }, "messages"],
    ["/v1/completions", { prompt: LONG }, "prompt"],
    ["/v1/completions", { prompt: ["{{a}}", LONG] }, "prompt"],
    ["/v1/tokenize", { prompt: LONG }, "prompt"],
    ["/v1/tokenize", { content: LONG }, "content"],
    ["/v1/tokenize", { messages: [{ role: "user", content: LONG }] }, "messages"],
  ] as const) {
    for (const stream of path === "/v1/tokenize" ? [false] : [false, true]) {
      const asked = path === "/v1/tokenize" ? body : { ...body, stream };
      const answer = await server.post(path, asked);
      assert.equal(answer.status, 400, path);
      assertBounded(
        { ...answer.body.error, message: answer.body.error.message.replace(/^prompt\[1\]: /, "") },
        param,
      );
    }
  }
  assert.equal(student.runner.prefillSteps, 0);
  assert.equal(await server.metric('magdi_request_failures_total{reason="context_length"}'), 8);
});

test("a frame's question far over the context is refused without counting it to the end", async (t) => {
  const { server } = await runTiny(t, { config: { bodyLimitBytes: 2 ** 21 } });
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/v1/reason/ws`);
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "reason", id: "long", question: LONG }));
  const [data] = await once(socket, "message");
  const { type, id, error } = JSON.parse(String(data));
  assert.deepEqual([type, id], ["error", "long"]);
  assertBounded(error, "question");
  socket.terminate();
});

test("a text of moderate length is counted to the end, also over the context", async (t) => {
  const { server } = await runTiny(t);
  const prompt = "a".repeat(30_000);
  const refused = await server.post("/v1/completions", { prompt });
  assert.equal(refused.body.error.prompt_tokens, prompt.length);
  assert.match(refused.body.error.message, /the prompt has 30000 tokens/);
  assert.equal((await server.post("/v1/tokenize", { prompt })).body.count, prompt.length);
});

/** A student that calls back before each text is encoded. */
function heardStudent(onEncode: () => void): TinyStudent {
  const tiny = tinyStudent();
  return {
    ...tiny,
    tokenizer: {
      ...tiny.tokenizer,
      encode(text, options) {
        onEncode();
        return tiny.tokenizer.encode(text, options);
      },
    },
  };
}

test("between two prompts of a batch others have their turn", async (t) => {
  const turns: number[] = [];
  let turn = 0;
  const student = heardStudent(() => {
    turns.push(turn);
    setImmediate(() => turn++);
  });
  const server = await runApp(t, student);
  const { status } = await server.post("/v1/completions", { prompt: ["{{a}}", "{{b}}", "{{c}}"] });
  assert.equal(status, 200);
  assert.deepEqual(turns, [0, 1, 2]);
});

test("a client gone between two prompts of a batch leaves nothing", async (t) => {
  for (const stream of [false, true]) {
    const client = new AbortController();
    const student = heardStudent(() => client.abort());
    const server = await runApp(t, student);
    const body = { prompt: Array(32).fill("{{x*}}"), max_tokens: 400, stream };
    const pending = server.send("/v1/completions", body, { signal: client.signal });
    await assert.rejects(pending, { name: "AbortError" });
    while ((await server.metric(DISCONNECTS)) === 0) await nextTurn();
    assert.equal(server.app.lifecycle.active, 0);
    for (const gauge of ["requests_running", "requests_waiting", "samples_running"]) {
      assert.equal(await server.metric(`magdi_${gauge}`), 0, gauge);
    }
    assert.equal((await server.get("/health")).status, 200);
  }
});
