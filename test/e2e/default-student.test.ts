// The shipped student behind the command that users type: answers, streams, seeds, refusals, and a drain.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Json, parseEvents } from "../server/support/running-app.ts";
import { post, ServeProcess } from "./serve-process.ts";

const COMMAND = ["bin/magdi.js", "serve", "--port", "0"];
const QUESTION = {
  question: "Tom has 3 apples and buys 4 more. How many apples has he now?",
  max_tokens: 48,
};

async function ask(url: string, path: string, body: object): Promise<Json> {
  const response = await post(url, path, body);
  assert.equal(response.status, 200);
  return response.json();
}

test("the default student answers, votes and streams, and drains on SIGTERM in the middle of a stream", async (t) => {
  const server = new ServeProcess(t, [...COMMAND, "--drain-timeout-ms", "100"]);
  const url = await server.ready();

  await t.test("a voted answer, the same for the same seed among strangers and as a stream", async () => {
    const body = { ...QUESTION, samples: 3, seed: 7, return_samples: true, early_stop: "off" };
    const alone = await ask(url, "/v1/reason", body);
    assert.equal(alone.task, "math");
    assert.equal(alone.samples.length, 3);
    assert.ok(alone.usage.completion_tokens > 3);
    const stranger = ask(url, "/v1/chat/completions", {
      messages: [{ role: "user", content: "Tell me about cats." }],
      n: 2,
      max_tokens: 40,
    });
    const streamed = parseEvents(await (await post(url, "/v1/reason", { ...body, stream: true })).text());
    const result = streamed.at(-2)?.data;
    assert.deepEqual(result.samples, alone.samples);
    assert.deepEqual(result.votes, alone.votes);
    for (const { index, text } of alone.samples) {
      const tokens = streamed.filter(({ event, data }) => event === "token" && data.sample === index);
      assert.equal(tokens.map(({ data }) => data.text).join(""), text);
    }
    assert.equal((await stranger).choices.length, 2);
  });

  await t.test("one sample is plain decoding", async () => {
    const reason = await ask(url, "/v1/reason", { ...QUESTION, return_samples: true });
    const again = await ask(url, "/v1/reason", { ...QUESTION, return_samples: true });
    assert.equal(reason.samples[0].text, again.samples[0].text);
    assert.deepEqual(reason.samples[0].logprob_mean, again.samples[0].logprob_mean);
  });

  await t.test("log-probabilities spell the answer", async () => {
    const { choices } = await ask(url, "/v1/chat/completions", {
      messages: [{ role: "user", content: "Name a fruit, an emoji and a city." }],
      max_tokens: 24,
      seed: 1,
      logprobs: true,
      top_logprobs: 3,
    });
    const { content } = choices[0].logprobs;
    const bytes = Buffer.from(content.flatMap((entry: Json) => entry.bytes));
    assert.equal(bytes.toString("utf8"), choices[0].message.content);
    assert.ok(content.every((entry: Json) => entry.top_logprobs.length === 3 && entry.logprob <= 0));
  });

  await t.test("a prompt over the context is refused with both numbers", async () => {
    const response = await post(url, "/v1/reason", { question: "word ".repeat(9000), stream: true });
    assert.equal(response.status, 400);
    const { error } = (await response.json()) as Json;
    assert.equal(error.code, "context_length_exceeded");
    assert.ok(error.prompt_tokens > error.context_length);
  });

  await t.test("the model is listed with its manifest", async () => {
    const models = (await (await fetch(`${url}/v1/models`)).json()) as Json;
    assert.equal(models.data[0].id, "smollm2-135m-instruct");
    assert.equal(models.data[0].manifest.name, "smollm2-135m-instruct");
  });

  const endless = { prompt: "Once upon a time", max_tokens: 4000, ignore_eos: true, stream: true };
  const stream = await post(url, "/v1/completions", endless);
  server.child.kill("SIGTERM");
  const events = parseEvents(await stream.text());
  assert.equal(events.at(-1)?.data, "[DONE]");
  assert.equal(events.at(-2)?.data.choices[0].finish_reason, "abort");
  assert.equal(await server.exited, 0);
});

test("a folder that is no student is one line that says so", async (t) => {
  const server = new ServeProcess(t, [...COMMAND, "--model", "test"], { MAGDI_LOG_LEVEL: "warn" });
  assert.equal(await server.exited, 1);
  assert.equal(server.stderr.trim().split("\n").length, 1, server.stderr);
  assert.match(server.stderr, /student/);
  const missing = new ServeProcess(t, [...COMMAND, "--model", "no/such/folder"], { MAGDI_LOG_LEVEL: "warn" });
  assert.equal(await missing.exited, 1);
  assert.match(missing.stderr, /no\/such\/folder/);
});
