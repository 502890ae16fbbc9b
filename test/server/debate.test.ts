// POST /v1/debate over real sockets: what agents say, what it cost, and what ends it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { type Asked, type Reaction, type ScriptedAgents, says } from "../debate/support/scripted-agents.ts";
import { SkippingClock } from "../debate/support/skipping-clock.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type Json, runTiny } from "./support/running-app.ts";
import { runDebating } from "./support/running-debates.ts";
import { connectSocket } from "./support/socket-client.ts";

const QUESTION = { question: "What is 2 + 2?", task: "math", seed: 7 };

/** What the agents counted themselves, at the scripted prices. */
function counted({ counts }: ScriptedAgents) {
  const all = [...counts.values()];
  const prompt = all.reduce((sum, one) => sum + one.promptTokens, 0);
  const completion = all.reduce((sum, one) => sum + one.completionTokens, 0);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    calls: all.reduce((sum, one) => sum + one.requests, 0),
    usd: (prompt + completion * 10) / 1e6,
  };
}

function assertCost({ usd, unreported_calls: _, ...usage }: Json, agents: ScriptedAgents): void {
  const { usd: expected, ...tokens } = counted(agents);
  assert.deepEqual(usage, tokens);
  assert.ok(Math.abs(usd - expected) < 1e-12, `${usd} is ${expected}`);
}

/** c is persuaded in round 1. */
const persuaded = ({ model, prompt }: Asked): Reaction => ({
  says: says(
    model === "c" && !prompt.includes("2 agents think the answer is 4") ? 5 : 4,
    0.9,
    `I am ${model}`,
  ),
});

/** Resolves when `count` calls were made. */
function callsMade(count: number) {
  let made = 0;
  let resolve = () => {};
  const all = new Promise<void>((done) => {
    resolve = done;
  });
  return {
    all,
    one() {
      made += 1;
      if (made === count) resolve();
    },
  };
}

test("a debate is answered whole, and its cost is what the agents counted", async (t) => {
  const { server, agents } = await runDebating(t, { react: persuaded });
  const { status, body } = await server.post("/v1/debate", QUESTION);
  assert.equal(status, 200, JSON.stringify(body));
  assert.match(body.id, /^debate-/);
  assert.deepEqual(
    [body.model, body.task, body.answer, body.stop_reason, body.seed],
    ["debate", "math", "4", "consensus", 7],
  );
  assert.equal(body.reasoning, "I am a");
  assert.deepEqual(body.votes, [{ answer: "4", count: 3, weight: 2.4, share: 1 }]);
  const { debate } = body;
  assert.deepEqual([debate.rounds, debate.decided_in, debate.consensus], [1, 1, true]);
  assert.deepEqual(debate.team, { rescaled: "4", majority: "4", mean_confidence: "4" });
  assert.deepEqual(
    debate.nodes.map((node: Json) => [node.agent, node.round, node.answer, node.confidence, node.refused]),
    [0, 1].flatMap((round) =>
      ["a", "b", "c"].map((name) => [name, round, round === 0 && name === "c" ? "5" : "4", 0.9, false]),
    ),
  );
  assert.deepEqual(debate.missing, []);
  assertCost(body.usage, agents);
  const nodes = (field: string) => debate.nodes.reduce((sum: number, node: Json) => sum + node[field], 0);
  assert.equal(nodes("prompt_tokens") + nodes("completion_tokens"), body.usage.total_tokens);
  assert.equal(body.comparison.baseline, "gsm8k");
  assert.equal(await server.metric('magdi_debates_total{purpose="request",reason="consensus"}'), 1);
  const { prompt_tokens: prompt } = counted(agents);
  assert.equal(
    await server.metric('magdi_debate_agent_tokens_total{purpose="request",kind="prompt"}'),
    prompt,
  );
  assert.equal(await server.metric("magdi_debates_running"), 0);
});

test("the same seed asks the agents with the same seeds, another with others", async (t) => {
  const { server, agents } = await runDebating(t);
  for (const seed of [7, 7, 8]) await server.post("/v1/debate", { ...QUESTION, seed });
  const of = (from: number) =>
    agents.answered
      .slice(from, from + 3)
      .map((asked) => asked.seed)
      .sort();
  assert.deepEqual(of(0), of(3));
  assert.notDeepEqual(of(3), of(6));
});

test("a stream says what happens as it happens", async (t) => {
  const { server } = await runDebating(t, { react: persuaded, names: ["a", "b", "c"] });
  const events = await server.stream("/v1/debate", QUESTION);
  assert.equal(events.at(-1)?.data, "[DONE]");
  const frames = events.slice(0, -1).map(({ event, data }) => {
    assert.equal(event, data.type);
    return data;
  });
  const types = frames.map(({ type }) => type);
  assert.equal(types[0], "debate");
  assert.equal(types.at(-1), "debate_result");
  const rounds = frames.filter(({ type }) => type === "round");
  assert.deepEqual(
    rounds.map(({ round, groups, consensus }) => [round, groups, consensus]),
    [
      [
        0,
        [
          { answer: "4", count: 2, agents: ["a", "b"] },
          { answer: "5", count: 1, agents: ["c"] },
        ],
        false,
      ],
      [1, [{ answer: "4", count: 3, agents: ["a", "b", "c"] }], true],
    ],
  );
  const ofRound = (round: number, type: string) =>
    frames.flatMap((frame, index) =>
      frame.type === type && (frame.node ?? frame).round === round ? [index] : [],
    );
  for (const round of [0, 1]) {
    const calls = ofRound(round, "call");
    const nodes = ofRound(round, "node");
    assert.deepEqual([calls.length, nodes.length], [3, 3]);
    assert.ok(Math.max(...calls, ...nodes) < frames.indexOf(rounds[round]), "a round ends after its answers");
  }
  assert.ok(Math.min(...ofRound(1, "call")) > frames.indexOf(rounds[0]));
  const result = frames.at(-1);
  assert.deepEqual([result.answer, result.debate.nodes.length], ["4", 6]);
  assert.ok(frames.every(({ id }) => id === result.id));
});

test("votes differ, and the one that was asked for gives the answer", async (t) => {
  const said: Readonly<Record<string, string>> = {
    a: says(3, 0.5),
    b: says(3, 0.5),
    c: says(5, 1),
  };
  const { server } = await runDebating(t, { react: ({ model }) => ({ says: said[model] ?? "" }) });
  const answers: Json[] = [];
  for (const vote of ["rescaled", "majority", "mean_confidence"]) {
    const { body } = await server.post("/v1/debate", { ...QUESTION, rounds: 0, vote });
    assert.equal(body.stop_reason, "rounds");
    answers.push([body.answer, body.votes.map(({ answer, weight }: Json) => [answer, weight])]);
  }
  assert.deepEqual(answers, [
    [
      "5",
      [
        ["5", 1],
        ["3", 0.2],
      ],
    ],
    [
      "3",
      [
        ["3", 2],
        ["5", 1],
      ],
    ],
    [
      "5",
      [
        ["5", 1],
        ["3", 0.5],
      ],
    ],
  ]);
});

test("an agent that fails is missing, without its words; its failed attempts count as the agents count them", async (t) => {
  const lines: Json[] = [];
  const { server, agents } = await runDebating(t, {
    react: ({ model }) =>
      model === "b" ? { status: 401, body: '{"error":{"message":"key sk-secret"}}' } : { says: says(4) },
    onLogLine: (line) => lines.push(line),
  });
  const { status, body } = await server.post("/v1/debate", QUESTION);
  assert.equal(status, 200);
  assert.deepEqual(body.debate.missing, [{ agent: "b", round: 0, reason: "status", status: 401 }]);
  assert.deepEqual([body.answer, body.debate.consensus], ["4", true]);
  assertCost(body.usage, agents);
  assert.equal(agents.counts.get("b")?.requests, 1, "a wrong key is not tried again");
  const logged = lines.filter(({ msg }) => msg === "an agent failed in a debate");
  assert.deepEqual(
    logged.map(({ agent, round, status: code }) => [agent, round, code]),
    [["b", 0, 401]],
  );
  assert.doesNotMatch(JSON.stringify([body, lines]), /sk-secret/);
});

test("a failed call is tried again as often as the setting says", async (t) => {
  const { server, agents } = await runDebating(t, {
    retries: 2,
    limits: { retries: 5 },
    teamClock: new SkippingClock(),
    react: ({ model }) => (model === "a" ? { status: 500 } : { says: says(4) }),
  });
  const { body } = await server.post("/v1/debate", QUESTION);
  assert.equal(agents.counts.get("a")?.requests, 3);
  assert.equal(body.debate.missing[0].status, 500);
});

test("who asks to be left alone for long is missing until then, and not asked", async (t) => {
  const { server, agents } = await runDebating(t, {
    react: ({ model }) =>
      model === "a" ? { status: 429, headers: { "retry-after": "3600" } } : { says: says(4) },
  });
  for (const reason of ["status", "failed"]) {
    const { body } = await server.post("/v1/debate", QUESTION);
    assert.deepEqual(
      body.debate.missing.map((one: Json) => [one.agent, one.reason]),
      [["a", reason]],
    );
  }
  assert.equal(agents.counts.get("a")?.requests, 1);
});

test("nobody answers: 502, and the next debate can", async (t) => {
  const { server } = await runDebating(t, {
    react: (_, nth) => (nth === 0 ? { status: 400 } : { says: says(4) }),
  });
  const failed = await server.post("/v1/debate", QUESTION);
  assert.deepEqual(
    [failed.status, failed.body.error.code],
    [502, "agents_failed"],
    JSON.stringify(failed.body),
  );
  assert.match(failed.body.error.message, /a: status 400; b: status 400; c: status 400/);
  assert.equal((await server.post("/v1/debate", QUESTION)).status, 200);
  assert.equal(await server.metric('magdi_request_failures_total{reason="agents_failed"}'), 1);
});

test("without agents 501; a wrong body 400; both say what to do", async (t) => {
  const { server } = await runTiny(t);
  const none = await server.post("/v1/debate", QUESTION);
  assert.deepEqual([none.status, none.body.error.code], [501, "no_agents"]);
  assert.match(none.body.error.message, /--agents FILE/);
  const list = await server.get("/v1/agents");
  assert.deepEqual([list.status, list.body.data, list.body.allowed], [200, [], false]);
  const { server: debating } = await runDebating(t, { config: { debateRounds: 2 } });
  for (const [field, value] of [
    ["rounds", 3],
    ["vote", "loudest"],
    ["samples", 3],
    ["question", " "],
  ] as const) {
    const { status, body } = await debating.post("/v1/debate", { ...QUESTION, [field]: value });
    assert.equal(status, 400, field);
    assert.match(body.error.message, new RegExp(field));
  }
});

test("the list of agents has their models and prices, and what may still be spent", async (t) => {
  const { server } = await runDebating(t, {
    names: ["a", "b"],
    config: { debateKeyUsdPerDay: 1, debateTokensPerDay: 10_000 },
  });
  const before = (await server.get("/v1/agents")).body;
  assert.deepEqual(before.data, [
    { name: "a", model: "a", usd_per_million_input: 1, usd_per_million_output: 10 },
    { name: "b", model: "b", usd_per_million_input: 1, usd_per_million_output: 10 },
  ]);
  assert.deepEqual([before.rounds, before.timeout_ms, before.allowed], [3, 120_000, true]);
  assert.deepEqual(before.budget, { usd_left: 1, tokens_left: 10_000 });
  const { usage } = (await server.post("/v1/debate", QUESTION)).body;
  const { budget } = (await server.get("/v1/agents")).body;
  assert.equal(budget.tokens_left, 10_000 - usage.total_tokens);
  assert.ok(Math.abs(budget.usd_left - (1 - usage.usd)) < 1e-9);
});

test("a key needs the right to debate", async (t) => {
  const apiKeys = parseKeyList(
    "asks:asks-secret-0123456789,debates:debates-secret-0123456789 rights=ask+debate",
  );
  const { server, agents } = await runDebating(t, { config: { apiKeys } });
  const headers = (name: string) => ({
    authorization: `Bearer ${name}-secret-0123456789`,
    "content-type": "application/json",
  });
  const refused = await server.post("/v1/debate", QUESTION, { headers: headers("asks") });
  assert.deepEqual([refused.status, refused.body.error.code], [403, "missing_right"]);
  assert.match(refused.body.error.message, /rights=debate/);
  assert.equal(agents.counts.size, 0);
  assert.equal((await server.post("/v1/debate", QUESTION, { headers: headers("debates") })).status, 200);
  const allowed = async (name: string) =>
    ((await (await fetch(`${server.url}/v1/agents`, { headers: headers(name) })).json()) as Json).allowed;
  assert.deepEqual([await allowed("asks"), await allowed("debates")], [false, true]);
  const socket = await connectSocket(t, server, {
    headers: { authorization: headers("asks").authorization },
  });
  socket.send({ type: "debate", id: "d", ...QUESTION });
  const frame = await socket.last("d");
  assert.equal(frame.error.code, "missing_right");
});

/** Ends the debate's time once `calls` agents are being asked. */
async function outOfTime(
  clock: ManualClock,
  calls: ReturnType<typeof callsMade>,
  answer: Promise<Json>,
): Promise<Json> {
  await calls.all;
  clock.advance(120_000);
  return answer;
}

test("at the deadline the last whole round decides, and running calls are given up", async (t) => {
  const clock = new ManualClock();
  const calls = callsMade(1);
  const closed = callsMade(1);
  const { server, agents } = await runDebating(t, {
    clock,
    react({ model }, nth) {
      if (nth === 0) return { says: says(model === "c" ? 5 : 4) };
      if (model !== "c") return { says: says(5) };
      calls.one();
      return { silent: true, onClosed: closed.one };
    },
  });
  const { status, body } = await outOfTime(clock, calls, server.post("/v1/debate", QUESTION));
  assert.equal(status, 200);
  assert.deepEqual(
    [body.stop_reason, body.answer, body.debate.rounds, body.debate.decided_in],
    ["abort", "4", 1, 0],
  );
  assert.deepEqual(body.debate.missing.at(-1), { agent: "c", round: 1, reason: "stopped", status: null });
  await closed.all;
  assertCost(body.usage, agents);
  assert.equal(body.usage.unreported_calls, body.debate.missing.length);
});

test("at the deadline of a debate in which nobody has answered: 502", async (t) => {
  const clock = new ManualClock();
  const calls = callsMade(3);
  const { server } = await runDebating(t, {
    clock,
    react() {
      calls.one();
      return { silent: true };
    },
  });
  const { status, body } = await outOfTime(clock, calls, server.post("/v1/debate", QUESTION));
  assert.equal(status, 502);
  assert.match(body.error.message, /a: no answer in time/);
});

/** A debate whose agents are silent from round 1 on. */
function silentLater(calls: { one(): void }, closed: { one(): void }) {
  return ({ model }: Asked, nth: number): Reaction => {
    if (nth === 0) return { says: says(model === "c" ? 5 : 4) };
    calls.one();
    return { silent: true, onClosed: closed.one };
  };
}

for (const stream of [false, true]) {
  test(`a client that goes away has the running calls given up, and no other made${stream ? ", streamed" : ""}`, async (t) => {
    const calls = callsMade(3);
    const closed = callsMade(3);
    const { server, agents } = await runDebating(t, { react: silentLater(calls, closed) });
    const leave = new AbortController();
    const answer = server
      .send("/v1/debate", { ...QUESTION, stream }, { signal: leave.signal })
      .then((response) => response.text());
    answer.catch(() => {});
    await calls.all;
    leave.abort();
    await assert.rejects(answer);
    await closed.all;
    await until(async () => (await server.metric("magdi_debates_running")) === 0);
    assert.equal(await server.metric('magdi_debates_total{purpose="request",reason="gone"}'), 1);
    assert.deepEqual(
      [...agents.counts.values()].map(({ requests }) => requests),
      [2, 2, 2],
    );
  });
}

/** Asks again until it holds; each question is a round trip. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let asked = 0; asked < 500; asked++) if (await holds()) return;
  throw new Error("it never held");
}

test("over the socket: frames with the client's id, enough, cancel", async (t) => {
  const calls = callsMade(3);
  const closed = callsMade(3);
  const { server } = await runDebating(t, { react: silentLater(calls, closed) });
  const socket = await connectSocket(t, server);
  socket.send({ type: "debate", id: "one", ...QUESTION });
  await calls.all;
  socket.send({ type: "enough", id: "one" });
  const result = await socket.last("one");
  assert.deepEqual(
    [result.type, result.stop_reason, result.answer, result.debate.decided_in],
    ["debate_result", "enough", "4", 0],
  );
  const types = socket.of("one").map(({ type }) => type);
  assert.equal(types[0], "debate");
  assert.equal(types.filter((type) => type === "node").length, 3);
  await closed.all;
  socket.send({ type: "debate", id: "two", ...QUESTION, question: "What is 3 + 3?" });
  await socket.frame(({ type, id }) => id === "two" && type === "call");
  socket.send({ type: "cancel", id: "two" });
  assert.equal((await socket.last("two")).error.code, "cancelled");
  socket.send({ type: "debate", id: "three", ...QUESTION, stream: true });
  assert.match((await socket.last("three")).error.message, /stream/);
});

test("debates at once and waiting are bounded: 429, and 503 for who waits too long", async (t) => {
  const clock = new ManualClock();
  const calls = callsMade(3);
  const { server } = await runDebating(t, {
    clock,
    config: { debatesAtOnce: 1, debateQueue: 1, queueTimeoutMs: 5000 },
    react(_, nth) {
      if (nth > 0) return { says: says(4) };
      calls.one();
      return { silent: true };
    },
  });
  const first = server.post("/v1/debate", QUESTION);
  await calls.all;
  const second = server.post("/v1/debate", QUESTION);
  await until(async () => (await server.metric("magdi_debates_waiting")) === 1);
  const third = await server.post("/v1/debate", QUESTION);
  assert.deepEqual([third.status, third.body.error.code], [429, "queue_full"]);
  assert.ok(Number(third.headers.get("retry-after")) >= 1);
  clock.advance(5000);
  const late = await second;
  assert.deepEqual([late.status, late.body.error.code], [503, "queue_timeout"]);
  clock.advance(115_000);
  assert.equal((await first).status, 502);
  assert.equal((await server.post("/v1/debate", QUESTION)).status, 200, "the place is free again");
});

const DAY_MS = 86_400_000;

test("a key's day and everybody's day: 429 until midnight UTC, by the agents' own counts", async (t) => {
  let wallMs = 20_000 * DAY_MS + DAY_MS - 90_000;
  const apiKeys = parseKeyList(
    ["alice", "bob", "carol"].map((name) => `${name}:${name}-secret-0123456789 rights=ask+debate`).join(","),
  );
  const { server, agents } = await runDebating(t, {
    wallMs: () => wallMs,
    config: { apiKeys, debateKeyTokensPerDay: 10, debateUsdPerDay: 0.0004 },
  });
  const ask = (name: string) =>
    server.post("/v1/debate", QUESTION, {
      headers: { authorization: `Bearer ${name}-secret-0123456789`, "content-type": "application/json" },
    });
  assert.equal((await ask("alice")).status, 200);
  const spent = await ask("alice");
  assert.deepEqual(
    [spent.status, spent.body.error.code, spent.headers.get("retry-after")],
    [429, "budget_exceeded", "90"],
  );
  assert.equal((await ask("bob")).status, 200, "her tokens are not his");
  const { usd } = counted(agents);
  assert.ok(usd > 0.0004, `both together have spent everybody's day: ${usd}`);
  assert.equal((await ask("carol")).status, 429, "she has spent nothing, and there is nothing left");
  wallMs += 90_000;
  assert.equal((await ask("alice")).status, 200, "a new day");
});

test("a budget that ends in a debate ends the debate: no further call, and what was said decides", async (t) => {
  const { server, agents } = await runDebating(t, {
    config: { debateTokensPerDay: 100 },
    react: ({ model }) => ({ says: says(model === "c" ? 5 : 4) }),
  });
  const { status, body } = await server.post("/v1/debate", QUESTION);
  assert.equal(status, 200);
  assert.ok(counted(agents).total_tokens >= 100);
  assert.deepEqual([body.stop_reason, body.answer, body.debate.decided_in], ["budget", "4", 0]);
  assert.equal(agents.answered.length, 3);
});

test("a shutdown lets the debate end, then ends it with what was said", async (t) => {
  const calls = callsMade(3);
  const closed = callsMade(3);
  const { server } = await runDebating(t, { react: silentLater(calls, closed) });
  const answer = server.post("/v1/debate", QUESTION);
  await calls.all;
  const drained = server.app.drain(0);
  const { status, body } = await answer;
  assert.deepEqual([status, body.stop_reason, body.answer], [200, "abort", "4"]);
  await drained;
  const refused = await server.post("/v1/debate", QUESTION);
  assert.deepEqual([refused.status, refused.body.error.code], [503, "shutting_down"]);
});

test("dollars are not bounded where an agent's price is unknown", async (t) => {
  await assert.rejects(
    runDebating(t, {
      config: { debateUsdPerDay: 1 },
      prices: { inputUsdPerMillion: null, outputUsdPerMillion: 1 },
    }),
    /debateUsdPerDay: expected usd_per_million_input .* of agent a, found none/,
  );
});
