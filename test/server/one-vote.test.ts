// A vote beside what it is made of: plain decoding by the engine, and the full vote, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { renderPrompt } from "../../src/asking/prompts.ts";
import { encodeChat } from "../../src/text/chat-prompt.ts";
import { type Json, runTiny } from "./support/running-app.ts";

const VARIED = { question: "How many are 2 + 2? {{The answer is [4457].}}" };

test("behaviour 43: exact early stopping gives the full vote's answer for every seed tried", async (t) => {
  const { server } = await runTiny(t);
  let early = 0;
  for (let seed = 0; seed < 100; seed++) {
    for (const vote of ["majority", "confidence"]) {
      const ask = (early_stop: string) =>
        server.post("/v1/reason", { ...VARIED, samples: 3 + (seed % 5), seed, early_stop, vote });
      const [exact, full] = await Promise.all([ask("exact"), ask("off")]);
      assert.equal(exact.body.answer, full.body.answer, `seed ${seed}`);
      assert.equal(full.body.decided_at, 3 + (seed % 5));
      if (exact.body.stop_reason === "exact") early++;
    }
  }
  assert.ok(early > 0, "some vote must have stopped early");
});

test("behaviour 43: samples that cannot be read give 200 with answer null", async (t) => {
  const { server } = await runTiny(t);
  const cases: object[] = [
    { question: "How many? {{no idea}}", task: "math" },
    { question: "Which? {{none of them}}", choices: ["red", "blue"] },
    { question: "Is it? {{who knows}}", task: "yes-no" },
    { question: "How many? {{the answer is 4*}}", task: "math", max_tokens: 3 },
  ];
  for (const fields of cases) {
    for (const samples of [1, 3]) {
      const body = { ...fields, samples, return_samples: true };
      const { status, body: answer } = await server.post("/v1/reason", body);
      assert.equal(status, 200);
      assert.equal(answer.answer, null);
      assert.equal(answer.reasoning, null);
      assert.deepEqual(answer.votes, []);
      assert.equal(answer.decided_at, samples);
      assert.equal(answer.stop_reason, "complete");
      assert.ok(answer.samples.every((sample: Json) => sample.answer === null));
      const events = await server.stream("/v1/reason", body);
      assert.equal(events.at(-2)?.data.answer, null);
    }
  }
});

test("behaviour 43: one sample equals plain decoding by the engine, byte for byte", async (t) => {
  const { server, student } = await runTiny(t);
  for (const question of ["Tell me something.", "Grüße 🙂?", "{{The answer is 4.}}", "And {{forever*}}"]) {
    const prompt = renderPrompt({ task: "free", question });
    const promptTokens = encodeChat(student, prompt);
    const plain = await student.engine.submit({
      id: "plain",
      promptTokens,
      samples: 1,
      sampling: {
        temperature: 0,
        topK: 0,
        topP: 1,
        minP: 0,
        maxTokens: 50,
        minTokens: 0,
        ignoreEos: false,
        stop: [],
        seed: 0,
        topLogprobs: null,
        logitBias: new Map(),
      },
      queueTimeoutMs: 60_000,
      timeoutMs: 60_000,
      prefixScope: "",
    }).done;
    const [expected] = plain.samples;
    assert.ok(expected);
    const body = { question, task: "free", max_tokens: 50, return_samples: true };
    const { body: reason } = await server.post("/v1/reason", body);
    const [sample] = reason.samples;
    assert.deepEqual(Buffer.from(sample.text), Buffer.from(expected.text));
    assert.equal(sample.tokens, expected.tokenIds.length);
    assert.equal(sample.logprob_mean, expected.logprobSum / expected.tokenIds.length);
    assert.equal(reason.usage.prompt_tokens, promptTokens.length);
    const { body: chat } = await server.post("/v1/chat/completions", {
      messages: prompt,
      temperature: 0,
      max_tokens: 50,
    });
    assert.equal(chat.choices[0].message.content, expected.text);
    assert.equal(chat.usage.completion_tokens, expected.tokenIds.length);
    const { body: text } = await server.post("/v1/completions", {
      prompt: [...promptTokens],
      temperature: 0,
      max_tokens: 50,
    });
    assert.equal(text.choices[0].text, expected.text);
  }
});
