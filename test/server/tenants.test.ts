// Callers beside each other, over real sockets: nothing of one's prompts is learnt by another, and nobody's queue is
// another's wait.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { WebSocket } from "ws";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type Json, type RunningApp, type RunningOptions, runTiny } from "./support/running-app.ts";

const VICTIM = "victims-secret-0123456789";
const OTHER = "others-secret-0123456789";
const KEYS = `victim:${VICTIM},other:${OTHER}`;

const as = (key: string) => ({
  headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
});

async function runWithKeys(t: TestContext, { config, ...options }: RunningOptions = {}, keys = KEYS) {
  const apiKeys = parseKeyList(keys);
  return runTiny(t, { prefixCacheTokens: 4096, ...options, config: { apiKeys, ...config } });
}

const noteOf = (pin: string) => `Dear bank, my number is ${pin}, please keep it.`;

/** Two digits at a time, because what is reused is a multiple of two tokens. */
const PAIRS = ["03", "11", "27", "38", "42", "56", "64", "79", "85", "90"];

/** Guesses a number that somebody's prompt has, from how much of each guess was reused. */
async function attack(server: RunningApp, prefillSteps: () => number) {
  let guessed = "";
  const seen: unknown[] = [];
  for (let pair = 0; pair < 3; pair++) {
    let best = { pair: "", cached: -1 };
    for (const candidate of PAIRS) {
      // Begins as the victim's does; a text after it keeps the reuse from ending at the guess itself.
      const prompt = `Dear bank, my number is ${guessed}${candidate} and what follows {{a}}`;
      const before = prefillSteps();
      const { body } = await server.post("/v1/completions", { prompt, max_tokens: 1 }, as(OTHER));
      const cached = body.usage.prompt_tokens_details.cached_tokens;
      seen.push([cached, prefillSteps() - before]);
      if (cached > best.cached) best = { pair: candidate, cached };
    }
    guessed += best.pair;
  }
  return { guessed, seen };
}

test("a number in one key's prompt is not read by another's guesses: tokens and steps are those of a server where nobody asked", async (t) => {
  const pin = "384279";
  const results = [];
  for (const isolatePrefixes of [undefined, false]) {
    for (const victimAsks of [true, false]) {
      const config = isolatePrefixes === undefined ? {} : { isolatePrefixes };
      const { server, student } = await runWithKeys(t, { config });
      if (victimAsks)
        await server.post("/v1/completions", { prompt: noteOf(pin), max_tokens: 1 }, as(VICTIM));
      results.push(await attack(server, () => student.runner.prefillSteps));
    }
  }
  const [attacked, quiet, shared, sharedQuiet] = results;
  assert.deepEqual(attacked, quiet);
  assert.notEqual(attacked?.guessed, pin);
  // What isolatePrefixes: false gives away, and that this test would see it.
  assert.equal(shared?.guessed, pin);
  assert.notDeepEqual(shared?.seen, sharedQuiet?.seen);
});

/** One question on a socket of its own. */
async function askOnSocket(server: RunningApp, key: string, question: string): Promise<Json> {
  const protocols = ["magdi", `magdi.key.${Buffer.from(key).toString("base64url")}`];
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/v1/reason/ws`, protocols);
  await once(socket, "open");
  const result = new Promise<Json>((resolve) => {
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data));
      if (frame.type === "result") resolve(frame);
    });
  });
  socket.send(JSON.stringify({ type: "reason", id: "a", question, max_tokens: 2 }));
  const frame = await result;
  socket.terminate();
  return frame;
}

test("each way to ask is apart by key, and samples and batches of one key share their prompt", async (t) => {
  const { server } = await runWithKeys(t);
  const question = "How many are 2 + 2? {{The answer is 4.}}";
  const ways: readonly [string, (key: string) => Promise<number>][] = [
    [
      "chat",
      async (key) => {
        const messages = [{ role: "user", content: `Chat: ${question}` }];
        const { body } = await server.post(
          "/v1/chat/completions",
          { messages, n: 3, temperature: 1 },
          as(key),
        );
        return body.usage.prompt_tokens_details.cached_tokens;
      },
    ],
    [
      "completion",
      async (key) => {
        const { body } = await server.post("/v1/completions", { prompt: question, max_tokens: 2 }, as(key));
        return body.usage.prompt_tokens_details.cached_tokens;
      },
    ],
    [
      "reason",
      async (key) => {
        const { body } = await server.post(
          "/v1/reason",
          { question: `Reason: ${question}`, samples: 3 },
          as(key),
        );
        return body.usage.prompt_tokens - body.usage.prompt_tokens_computed;
      },
    ],
    [
      "socket",
      async (key) => {
        const { usage } = await askOnSocket(server, key, `Socket: ${question}`);
        return usage.prompt_tokens - usage.prompt_tokens_computed;
      },
    ],
  ];
  for (const [name, reused] of ways) {
    const [victimFirst, otherFirst] = [await reused(VICTIM), await reused(OTHER)];
    assert.equal(otherFirst, victimFirst, `${name}: what a first prompt reuses of its own key's`);
    const again = await reused(VICTIM);
    assert.ok(again > victimFirst, `${name}: its own is reused`);
    assert.equal(await reused(OTHER), again);
  }
  const { body } = await server.post("/v1/completions", { prompt: ["{{a}} same", "{{a}} same"] }, as(OTHER));
  assert.ok(body.usage.prompt_tokens_details.cached_tokens > 0, "prompts of one batch");
});

/** A server whose clock counts the engine's steps, one millisecond each. */
async function runOnSteps(t: TestContext, options: RunningOptions = {}, keys = KEYS) {
  const clock = new ManualClock();
  const onStep = () => clock.advance(1);
  const running = await runWithKeys(
    t,
    { clock, onStep, maxRows: 8, maxWaitingSamples: 400, ...options },
    keys,
  );
  return { clock, ...running };
}

/** Nine requests of 32 samples that run for hundreds of tokens, of which the first has all rows. */
async function fillUp(server: RunningApp, student: { engine: { stats(): Json } }, init: RequestInit) {
  const answers = Array.from({ length: 9 }, () =>
    server.post(
      "/v1/chat/completions",
      { messages: [{ role: "user", content: "{{x*}}" }], n: 32, temperature: 1 },
      init,
    ),
  );
  while (student.engine.stats().requestsWaiting < 7) await nextTurn();
  return answers;
}

/** The value of a series, as the key `key` sees it. */
async function metricAs(server: RunningApp, key: string, series: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`, as(key))).text();
  return Number(
    text
      .split("\n")
      .find((line) => line.startsWith(`${series} `))
      ?.slice(series.length),
  );
}

test("one token is there within a few steps while another key's requests fill rows and line", async (t) => {
  for (const [asker, most] of [
    [OTHER, 4],
    // The same key's requests stay in line.
    [VICTIM, Number.POSITIVE_INFINITY],
  ] as const) {
    const { server, student } = await runOnSteps(t, { config: { requestTimeoutMs: 3000 } });
    const greedy = await fillUp(server, student, as(VICTIM));
    const ask = { question: "Is it? {{yes}}", task: "yes-no", max_tokens: 1 };
    const { status, body } = await server.post("/v1/reason", ask, as(asker));
    assert.equal(status, 200);
    const { queue_ms: waited, first_token_ms: first } = body.timing;
    assert.ok(waited <= most && first <= most + 1, `waited ${waited} steps, ${first} to the first token`);
    const name = asker === OTHER ? "other" : "victim";
    const series = (kind: string) => `magdi_key_queue_time_seconds_${kind}{key="${name}"}`;
    if (asker === OTHER) {
      assert.equal(await metricAs(server, asker, series("count")), 1);
      assert.equal(await metricAs(server, asker, series("sum")), waited / 1000);
    } else assert.ok(waited > 400, `${waited} steps`);
    for (const answer of await Promise.all(greedy)) assert.equal(answer.status, 200);
  }
});

test("without keys it is the client's address that shares the model", async (t) => {
  const config = { apiKeys: null, trustProxy: ["127.0.0.1"], requestTimeoutMs: 2000 };
  const { server, student } = await runOnSteps(t, { config });
  const from = (address: string) => ({
    headers: { "content-type": "application/json", "x-forwarded-for": address },
  });
  const greedy = await fillUp(server, student, from("2001:db8:0:7::1"));
  const waits: Record<string, number> = {};
  const ask = async (address: string) => {
    const { body } = await server.post(
      "/v1/reason",
      { question: "Is it? {{yes}}", max_tokens: 1 },
      from(address),
    );
    waits[address] = body.timing.queue_ms;
  };
  await Promise.all([ask("192.0.2.7"), ask("2001:db8:0:7::2")]);
  assert.ok(waits["192.0.2.7"]! <= 4, `${waits["192.0.2.7"]} steps`);
  assert.ok(waits["2001:db8:0:7::2"]! > 200, "the same network stays in its line");
  for (const answer of await Promise.all(greedy)) assert.equal(answer.status, 200);
});

test("a key whose line fills the queue makes room in it for another, and is told to try again", async (t) => {
  const { server, student } = await runWithKeys(t, { maxRows: 2, maxWaitingSamples: 8 });
  const release = student.runner.hold();
  const chat = (n: number, stream = false) => ({
    messages: [{ role: "user", content: "{{xy}}" }],
    n,
    temperature: 1,
    stream,
  });
  const first = server.post("/v1/chat/completions", chat(2), as(VICTIM));
  await student.runner.stepHeld();
  const greedy = [];
  for (let waiting = 1; waiting <= 4; waiting++) {
    greedy.push(server.post("/v1/chat/completions", chat(2), as(VICTIM)));
    while (student.engine.stats().requestsWaiting < waiting) await nextTurn();
  }
  const refused = await server.post("/v1/chat/completions", chat(1), as(VICTIM));
  assert.equal(refused.status, 429);
  const other = server.post("/v1/chat/completions", chat(3), as(OTHER));
  // Two requests of two samples make room for three.
  const pushedOut = await Promise.all(greedy.splice(2));
  for (const { status, headers, body } of pushedOut) {
    assert.deepEqual([status, body.error.code], [429, "queue_full"]);
    assert.equal(headers.get("retry-after"), "1");
    assert.match(body.error.message, /left it for a caller who has fewer samples waiting/);
    assert.doesNotMatch(body.error.message, /other/);
  }
  release();
  for (const answer of await Promise.all([first, other, ...greedy])) assert.equal(answer.status, 200);
  const failed = 'magdi_request_failures_total{reason="queue_full"}';
  assert.equal(await metricAs(server, OTHER, failed), 3);
  assert.equal(await metricAs(server, VICTIM, 'magdi_key_queue_time_seconds_count{key="victim"}'), 5);
});

test("weights of keys share the tokens", async (t) => {
  const keys = `victim:${VICTIM} weight=3,other:${OTHER}`;
  const { server } = await runOnSteps(t, { config: { requestTimeoutMs: 1500 } }, keys);
  const body = { messages: [{ role: "user", content: "{{x*}}" }], n: 24, temperature: 1 };
  const ask = (key: string) => server.post("/v1/chat/completions", body, as(key));
  const answers = await Promise.all([VICTIM, OTHER, VICTIM, OTHER, VICTIM, OTHER].map(ask));
  const tokens = (at: number) =>
    answers.reduce(
      (sum, answer, index) => sum + (index % 2 === at ? answer.body.usage.completion_tokens : 0),
      0,
    );
  const ratio = tokens(0) / tokens(1);
  assert.ok(ratio > 1.8 && ratio < 4, `${ratio}`);
});
