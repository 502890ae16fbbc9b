// Streamed text is the whole text: characters are never split, stop strings never leak, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "../../src/engine/engine.ts";
import { sampleRandom } from "../../src/engine/random.ts";
import {
  bothWays,
  CHAT,
  chat,
  choicesOf,
  INFERENCE,
  REASON,
  streamed,
  TEXT,
  whole,
} from "./support/openai-shapes.ts";
import { type Json, type RunningApp, runApp, runTiny } from "./support/running-app.ts";
import { IM_END } from "./support/scripted-runner.ts";
import { tinyStudent } from "./support/tiny-student.ts";

const FOREIGN = "Grüße 🙂 日本 👩‍👩‍👧 e\u0301.";
const QUESTION = { task: "free", early_stop: "off", return_samples: true };

/** A question's samples, whole and put together from the stream's frames, which must be the same. */
async function samplesBothWays(server: RunningApp, body: object): Promise<string[]> {
  const whole = await server.post(REASON, { ...QUESTION, ...body });
  assert.equal(whole.status, 200, JSON.stringify(whole.body));
  const events = await server.stream(REASON, { ...QUESTION, ...body });
  assert.equal(events.at(-1)?.data, "[DONE]");
  const texts: string[] = whole.body.samples.map(() => "");
  for (const { event, data } of events) if (event === "token") texts[data.sample] += data.text;
  assert.deepEqual(
    texts,
    whole.body.samples.map(({ text }: Json) => text),
  );
  return texts;
}

test("behaviour 36: streamed text is the whole text on every route", async (t) => {
  const { server } = await runTiny(t);
  for (const seed of [1, 2, 3]) {
    const fields = { seed, max_tokens: 40, temperature: 1.2 };
    await bothWays(server, CHAT, chat("free talk", { n: 4, ...fields }));
    await bothWays(server, TEXT, { prompt: ["free talk", "and more"], n: 2, ...fields });
    await samplesBothWays(server, { question: "free talk", samples: 4, ...fields });
  }
});

test("behaviours 36 and 37: a character of several tokens comes out whole on every route", async (t) => {
  const { server } = await runTiny(t);
  const script = `{{${FOREIGN}}}`;
  assert.deepEqual(await bothWays(server, CHAT, chat(script)), [FOREIGN]);
  assert.deepEqual(await bothWays(server, TEXT, { prompt: script, max_tokens: 60 }), [FOREIGN]);
  assert.deepEqual(await samplesBothWays(server, { question: script }), [FOREIGN]);
  for (const path of INFERENCE) {
    const body = path === CHAT ? chat(script) : { prompt: script, max_tokens: 60 };
    const text =
      path === REASON
        ? JSON.stringify(await server.stream(REASON, { ...QUESTION, question: script }))
        : JSON.stringify(await streamed(server, path, body));
    assert.doesNotMatch(text, /\ufffd|\p{Surrogate}/u, path);
  }
});

test("behaviour 37: half a character at the end is shown for what it is, streamed or not", async (t) => {
  const { server } = await runTiny(t);
  for (let max_tokens = 1; max_tokens <= 4; max_tokens++) {
    const [text] = await bothWays(server, CHAT, chat("{{a🙂}}", { max_tokens }));
    const bytes = Buffer.from("a🙂").subarray(0, max_tokens);
    assert.equal(text, bytes.toString("utf8"));
    assert.deepEqual(await samplesBothWays(server, { question: "{{a🙂}}", max_tokens }), [text]);
  }
});

test("behaviour 37: a stop string never leaks, nor any beginning of one that is completed later", async (t) => {
  const { server } = await runTiny(t);
  const cases: [string, string | string[], string][] = [
    ["abcSTOPdef", "STOP", "abc"],
    ["abcSTOxyz", ["STOP"], "abcSTOxyz"],
    ["abcSTO", ["STOP"], "abcSTO"],
    ["abSTSTOPx", ["STOP"], "abST"],
    ["STOP", "STOP", ""],
    ["ab🙂cd", "🙂", "ab"],
    ["ab🙂cd", ["🙃", "cd"], "ab🙂"],
    ["aXbYc", ["Yc", "X"], "a"],
    ["one\n\ntwo", "\n\n", "one"],
    ["aaab", "aab", "a"],
  ];
  for (const [script, stop, expected] of cases) {
    for (const [path, body] of [
      [CHAT, chat(`{{${script}}}`, { stop })],
      [TEXT, { prompt: `{{${script}}}`, stop }],
    ] as const) {
      assert.deepEqual(await bothWays(server, path, body), [expected], script);
    }
  }
  for (const chunk of await streamed(server, CHAT, chat("{{abcSTOPdef}}", { stop: ["x", "STOP"] }))) {
    assert.doesNotMatch(chunk.choices[0].delta.content ?? "", /S/);
  }
});

test("behaviour 37: any text cut at any stop strings is the text before the first of them", async (t) => {
  const { server } = await runTiny(t);
  const random = sampleRandom(37, 0);
  const letters = ["a", "b", "ü", "🙂", "\n"];
  const draw = (length: number) =>
    Array.from({ length }, () => letters[Math.floor(random.nextFloat() * letters.length)]).join("");
  for (let round = 0; round < 60; round++) {
    const text = draw(1 + Math.floor(random.nextFloat() * 12));
    const stop = Array.from({ length: 1 + (round % 4) }, () => draw(1 + Math.floor(random.nextFloat() * 3)));
    const starts = stop.map((one) => text.indexOf(one)).filter((start) => start >= 0);
    const expected = starts.length === 0 ? text : text.slice(0, Math.min(...starts));
    const path = round % 2 === 0 ? CHAT : TEXT;
    const script = `{{${text}}}`;
    const body = path === CHAT ? chat(script, { stop }) : { prompt: script, stop, max_tokens: 100 };
    assert.deepEqual(await bothWays(server, path, body), [expected], JSON.stringify({ text, stop }));
    const chunks = choicesOf(await streamed(server, path, body), 0);
    assert.equal(chunks.at(-1).finish_reason, "stop");
  }
});

test("a text that goes on with its prompt keeps its leading space, an answer of its own loses what its decoder strips", async (t) => {
  const tiny = tinyStudent();
  // As SentencePiece's decoders have it.
  const tokenizer = { ...tiny.tokenizer, leadingSpaces: 1 };
  const engine = new Engine({ runner: tiny.runner, tokenizer, eosTokenIds: new Set([IM_END]) });
  const server = await runApp(t, { ...tiny, engine, tokenizer });
  assert.deepEqual(await bothWays(server, TEXT, { prompt: "The sky is {{ blue}}", n: 2 }), [
    " blue",
    " blue",
  ]);
  const { text, logprobs } = (await whole(server, TEXT, { prompt: "{{ blue}}", logprobs: 1 })).choices[0];
  assert.deepEqual(
    logprobs.text_offset.map(
      (offset: number, index: number) => text.slice(offset)[0] === logprobs.tokens[index],
    ),
    Array(5).fill(true),
  );
  assert.deepEqual(await bothWays(server, CHAT, chat("{{ blue}}")), ["blue"]);
  assert.deepEqual(await samplesBothWays(server, { question: "{{ blue}}" }), ["blue"]);
});
