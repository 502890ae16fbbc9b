// Batches of prompts on /v1/completions: texts and token ids, each with n, whole and streamed, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Generation } from "../../src/engine/request.ts";
import type { ServedStudent } from "../../src/server/served-student.ts";
import { GREEDY } from "../support/toy-engine.ts";
import { bothWays, streamed, streamedText, TEXT, whole } from "./support/openai-shapes.ts";
import { type Json, runApp, runTiny } from "./support/running-app.ts";
import { tinyStudent } from "./support/tiny-student.ts";

const ids = (text: string) => [...Buffer.from(text)];

test("a batch of texts or of token lists answers prompt by prompt, choice by choice", async (t) => {
  const { server } = await runTiny(t);
  const scripts = ["one", "two", "three"];
  const prompts = scripts.map((script) => `{{${script}}}`);
  for (const prompt of [prompts, prompts.map(ids)]) {
    for (const n of [1, 2]) {
      const texts = await bothWays(server, TEXT, { prompt, n });
      assert.deepEqual(
        texts,
        scripts.flatMap((script) => Array(n).fill(script)),
      );
    }
  }
  assert.deepEqual(await bothWays(server, TEXT, { prompt: ids("{{alone}}") }), ["alone"]);
  assert.deepEqual(await bothWays(server, TEXT, { prompt: [ids("{{alone}}")] }), ["alone"]);
  assert.deepEqual(await bothWays(server, TEXT, { prompt: ["{{alone}}"] }), ["alone"]);
});

test("a batch counts each prompt once and all choices, streamed or not", async (t) => {
  const { server } = await runTiny(t);
  const prompt = ["{{ab}}", "{{abcd}}"];
  const body = { prompt, n: 3, stream_options: { include_usage: true } };
  const { usage, choices } = await whole(server, TEXT, { ...body, stream_options: undefined });
  assert.equal(usage.prompt_tokens, prompt.join("").length);
  assert.equal(usage.completion_tokens, 3 * (2 + 1) + 3 * (4 + 1));
  assert.deepEqual(
    choices.map(({ index }: Json) => index),
    [0, 1, 2, 3, 4, 5],
  );
  const chunks = await streamed(server, TEXT, body);
  assert.deepEqual(chunks.at(-1).usage, usage);
  for (const index of choices.keys()) assert.equal(streamedText(chunks, index), choices[index].text);
});

test("a choice of a batch is the choice that its prompt gets alone", async (t) => {
  const { server } = await runTiny(t);
  const prompt = ["free talk", "other talk"];
  const body = { n: 2, seed: 6, temperature: 1.3, max_tokens: 30 };
  const together = await whole(server, TEXT, { ...body, prompt });
  const alone = await Promise.all(prompt.map((one) => whole(server, TEXT, { ...body, prompt: one })));
  assert.deepEqual(
    together.choices.map(({ text }: Json) => text),
    alone.flatMap(({ choices }) => choices.map(({ text }: Json) => text)),
  );
});

test("one bad prompt of a batch is named by its index, and nothing of the batch runs", async (t) => {
  const { server, student } = await runTiny(t, { contextLength: 64 });
  const cases: [unknown, RegExp, string][] = [
    [["{{a}}", "x".repeat(80)], /^prompt\[1\]: the prompt has 80 tokens/, "prompt"],
    [["{{a}}", ""], /^prompt\[1\]: expected a prompt that is not empty/, "prompt[1]"],
    [["{{a}}", 5], /prompt/, "prompt[1]"],
    [["{{a}}", "\ud800"], /^prompt\[1\]/, "prompt[1]"],
    [[ids("{{a}}"), [1, 999]], /^prompt\[1\]\[1\]: expected token ids below 259, found 999/, "prompt"],
    [[ids("{{a}}"), []], /^prompt\[1\]: expected at least one token/, "prompt[1]"],
    [[ids("{{a}}"), [3, -1]], /^prompt\[1\]\[1\]/, "prompt[1][1]"],
    [[3, 259], /^prompt\[1\]: expected token ids below 259, found 259/, "prompt"],
    [[3, 0.5], /^prompt\[1\]/, "prompt[1]"],
    [[3, "a"], /^prompt\[1\]/, "prompt[1]"],
    [[], /prompt/, "prompt"],
    [{}, /prompt/, "prompt"],
    [Array(33).fill("x"), /at most 32 prompts/, "prompt"],
  ];
  for (const [prompt, message, param] of cases) {
    for (const stream of [false, true]) {
      const { status, body } = await server.post(TEXT, { prompt, stream });
      assert.equal(status, 400, JSON.stringify(prompt));
      assert.match(body.error.message, message);
      assert.equal(body.error.param, param, body.error.message);
    }
  }
  assert.equal(student.runner.prefillSteps, 0);
  assert.equal(await server.metric("magdi_request_samples_count"), 0);
  const { body } = await server.post(TEXT, { prompt: ["{{a}}", "x".repeat(80)] });
  assert.equal(body.error.code, "context_length_exceeded");
  assert.equal(body.error.prompt_tokens, 80);
});

test("more samples than the queue could ever hold are refused as such, not told to come again", async (t) => {
  const { server } = await runTiny(t, { config: { queueSamples: 8 }, maxWaitingSamples: 8 });
  const batch = await server.post(TEXT, { prompt: ["a", "b", "c"], n: 3 });
  assert.equal(batch.status, 400);
  assert.equal(batch.body.error.param, "prompt");
  assert.match(batch.body.error.message, /at most 8 samples in total/);
  for (const [path, body, param] of [
    [TEXT, { prompt: "{{a}}", n: 9 }, "n"],
    ["/v1/chat/completions", { messages: [{ role: "user", content: "x" }], n: 9 }, "n"],
    ["/v1/reason", { question: "x", samples: 9 }, "samples"],
  ] as const) {
    const refused = await server.post(path, body);
    assert.equal(refused.status, 400);
    assert.equal(refused.body.error.param, param);
    assert.match(refused.body.error.message, /1 to 8/);
  }
  assert.equal((await whole(server, TEXT, { prompt: ["{{a}}", "{{b}}"], n: 4 })).choices.length, 8);
});

test("a batch for which the line fills up while it is encoded is refused whole, streamed or not", async (t) => {
  const tiny = tinyStudent({ maxWaitingSamples: 4 });
  const { engine, tokenizer } = tiny;
  const others: Generation[] = [];
  const student: ServedStudent = {
    ...tiny,
    tokenizer: {
      ...tokenizer,
      encode(text, options) {
        if (text === "{{last}}") {
          const limits = { queueTimeoutMs: 1e6, timeoutMs: 1e6 };
          const promptTokens = Int32Array.of(1);
          // Of the client's own address: another caller would have to make room.
          const caller = { name: "127.0.0.1", weight: 1 };
          others.push(
            engine.submit({ id: "other", promptTokens, samples: 3, sampling: GREEDY, caller, ...limits }),
          );
        }
        return tokenizer.encode(text, options);
      },
    },
  };
  const server = await runApp(t, student);
  const release = tiny.runner.hold();
  const held = tiny.runner.stepHeld();
  const running = server.post(TEXT, { prompt: "{{x}}" });
  await held;
  for (const stream of [true, false]) {
    const refused = await server.post(TEXT, { prompt: ["{{first}}", "{{last}}"], stream });
    assert.equal(refused.status, 429);
    assert.equal(refused.body.error.code, "queue_full");
    assert.ok(Number(refused.headers.get("retry-after")) >= 1);
    assert.equal(engine.stats().samplesWaiting, 3, "nothing of the batch is left in the line");
    for (const other of others.splice(0)) other.cancel("cancelled");
  }
  release();
  assert.equal((await running).status, 200);
});
