// Questions that go to the agents because the student is not sure: every way that can end, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { type Asked, type Reaction, says } from "../debate/support/scripted-agents.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { type Json, runTiny } from "./support/running-app.ts";
import { runDebating } from "./support/running-debates.ts";
import { connectSocket } from "./support/socket-client.ts";
import { until } from "./support/until.ts";

/** The student's samples say different numbers, so that no answer has all votes. */
const UNSURE = {
  question: "How many are 2 + 2? {{The answer is [0123456789].}}",
  samples: 8,
  early_stop: "off",
  temperature: 2,
  seed: 5,
  task: "math",
};
const SURE = { ...UNSURE, question: "How many are 2 + 2? {{The answer is 4.}}" };
const escalate = { below: 0.9 };
const four = (): Reaction => ({ says: says(4, 0.9, "two and two") });

const outcome = (of: string) => `magdi_escalations_total{task="math",outcome="${of}"}`;

test("a sure student's answer stays its own, and no agent is asked", async (t) => {
  const { server, agents } = await runDebating(t);
  const plain = (await server.post("/v1/reason", SURE)).body;
  assert.equal("escalated" in plain, false);
  const { body } = await server.post("/v1/reason", { ...SURE, escalate });
  assert.deepEqual([body.answer, body.escalated], ["4", null]);
  assert.equal(agents.counts.size, 0);
});

test("an unsure student's answer gives way to the debate's, and both costs are told", async (t) => {
  const { server, agents } = await runDebating(t, { react: four });
  const alone = (await server.post("/v1/reason", UNSURE)).body;
  const share = alone.votes[0].share;
  assert.ok(share < 0.9, `a split vote: ${JSON.stringify(alone.votes)}`);
  const { status, body } = await server.post("/v1/reason", { ...UNSURE, escalate });
  assert.equal(status, 200);
  const { escalated } = body;
  assert.deepEqual([body.answer, body.reasoning], ["4", "two and two"]);
  assert.deepEqual(
    body.votes.map(({ answer, count }: Json) => [answer, count]),
    [["4", 3]],
  );
  assert.deepEqual(escalated.from, { answer: alone.answer, reasoning: alone.reasoning, votes: alone.votes });
  assert.deepEqual([escalated.reason, escalated.share, escalated.failed], ["share", share, null]);
  assert.ok(escalated.confidence > 0 && escalated.confidence < 1);
  assert.match(escalated.id, /^debate-/);
  assert.equal(escalated.debate.nodes.length, 3);
  assert.deepEqual(body.usage, { ...alone.usage, prompt_tokens_computed: body.usage.prompt_tokens_computed });
  const counts = [...agents.counts.values()];
  const tokens = counts.reduce((sum, one) => sum + one.promptTokens + one.completionTokens, 0);
  assert.equal(escalated.usage.total_tokens, tokens);
  const ratio = body.comparison.tokens / (body.usage.total_tokens + tokens);
  assert.ok(Math.abs(body.comparison.ratio - ratio) < 0.001, "the comparison counts both");
  assert.ok(body.timing.total_ms >= alone.timing.total_ms || body.timing.total_ms > 0);
  assert.equal(await server.metric(outcome(alone.answer === "4" ? "kept" : "changed")), 1);
  assert.equal(
    (await server.metric('magdi_debate_agent_tokens_total{purpose="escalation",kind="prompt"}')) > 0,
    true,
  );
  assert.equal(await server.metric('magdi_debates_total{purpose="escalation",reason="consensus"}'), 1);
});

test("the debate may say what the student did, and that is counted as kept", async (t) => {
  const student = (await (await runTiny(t)).server.post("/v1/reason", UNSURE)).body;
  const { server } = await runDebating(t, { react: () => ({ says: says(`${student.answer}.0`) }) });
  const { body } = await server.post("/v1/reason", { ...UNSURE, escalate });
  assert.equal(body.escalated.failed, null);
  assert.equal(await server.metric(outcome("kept")), 1);
});

test("the bound is exact: a share that is the bound is sure enough", async (t) => {
  const { server } = await runDebating(t);
  const { share } = (await server.post("/v1/reason", UNSURE)).body.votes[0];
  const escalatedBelow = async (below: number) =>
    (await server.post("/v1/reason", { ...UNSURE, escalate: { below } })).body.escalated !== null;
  assert.deepEqual([await escalatedBelow(share), await escalatedBelow(share + 1e-9)], [false, true]);
});

test("by confidence, one sample is enough to be unsure", async (t) => {
  const { server } = await runDebating(t);
  const one = { ...UNSURE, samples: 1 };
  const { body: shared } = await server.post("/v1/reason", { ...one, escalate: { below: 1 } });
  assert.equal(shared.escalated, null, "one sample has all of the vote");
  const { body } = await server.post("/v1/reason", { ...one, escalate: { below: 1, by: "confidence" } });
  assert.deepEqual([body.escalated.reason, body.escalated.share], ["confidence", 1]);
  assert.ok(body.escalated.confidence < 1);
  const { body: surer } = await server.post("/v1/reason", {
    ...one,
    escalate: { below: body.escalated.confidence, by: "confidence" },
  });
  assert.equal(surer.escalated, null);
});

test("a student without an answer is unsure, whatever the bound", async (t) => {
  const { server } = await runDebating(t);
  const { body } = await server.post("/v1/reason", {
    ...UNSURE,
    question: "{{I cannot say}}",
    escalate: { below: 0.001 },
  });
  assert.deepEqual(
    [body.answer, body.escalated.reason, body.escalated.share, body.escalated.confidence],
    ["4", "no_answer", 0, null],
  );
});

/** The student's answer, with why. */
function assertOwn(body: Json, failed: string): void {
  const { escalated, answer, votes, reasoning } = body;
  assert.equal(escalated.failed, failed);
  assert.deepEqual({ answer, votes, reasoning }, escalated.from);
  assert.notEqual(answer, null);
}

test("agents that are down leave the student's answer, with what their calls cost", async (t) => {
  const { server } = await runDebating(t, { react: () => ({ status: 400 }) });
  const { status, body } = await server.post("/v1/reason", { ...UNSURE, escalate });
  assert.equal(status, 200);
  assertOwn(body, "agents_failed");
  assert.deepEqual([body.escalated.usage.calls, body.escalated.debate], [3, null]);
  assert.equal(await server.metric(outcome("agents_failed")), 1);
});

test("agents whose answers cannot be read leave the student's answer, and their debate is told", async (t) => {
  const { server } = await runDebating(t, { react: () => ({ says: "Who knows?" }) });
  const { body } = await server.post("/v1/reason", { ...UNSURE, escalate });
  assertOwn(body, "no_answer");
  assert.ok(body.escalated.debate.nodes.length >= 3 && body.escalated.usage.total_tokens > 0);
  assert.equal(await server.metric(outcome("no_answer")), 1);
});

test("a spent budget leaves the student's answer", async (t) => {
  const { server } = await runDebating(t, { config: { debateKeyTokensPerDay: 1 } });
  await server.post("/v1/debate", { question: "How many are 1 + 1?" });
  const { body } = await server.post("/v1/reason", { ...UNSURE, escalate });
  assertOwn(body, "budget");
  assert.deepEqual([body.escalated.usage, body.escalated.id], [null, null]);
  assert.equal(await server.metric(outcome("budget")), 1);
});

test("no place for a debate, or none in time, leaves the student's answer", async (t) => {
  const clock = new ManualClock();
  let asked = 0;
  const { server } = await runDebating(t, {
    clock,
    config: { debatesAtOnce: 1, debateQueue: 1, queueTimeoutMs: 5000 },
    react() {
      asked += 1;
      return { silent: true };
    },
  });
  const first = server.post("/v1/debate", { question: "How many?" });
  await until(() => asked === 3);
  const second = server.post("/v1/reason", { ...UNSURE, escalate });
  await untilMetric(() => server.metric("magdi_debates_waiting"), 1);
  assertOwn((await server.post("/v1/reason", { ...UNSURE, escalate })).body, "queue_full");
  clock.advance(5000);
  assertOwn((await second).body, "queue_timeout");
  clock.advance(120_000);
  await first;
});

async function untilMetric(read: () => Promise<number>, value: number): Promise<void> {
  while ((await read()) !== value);
}

test("neither right nor agents: refused before the student is asked", async (t) => {
  const { server, student } = await runTiny(t);
  const none = await server.post("/v1/reason", { ...UNSURE, escalate });
  assert.deepEqual([none.status, none.body.error.code], [501, "no_agents"]);
  assert.equal(student.runner.prefillSteps, 0);
  const apiKeys = parseKeyList("asks:asks-secret-0123456789");
  const debating = await runDebating(t, { config: { apiKeys } });
  const headers = { authorization: "Bearer asks-secret-0123456789", "content-type": "application/json" };
  const refused = await debating.server.post("/v1/reason", { ...UNSURE, escalate }, { headers });
  assert.deepEqual([refused.status, refused.body.error.code], [403, "missing_right"]);
  for (const wrong of [{}, { below: 0 }, { below: 1.5 }, { below: "0.5" }, { below: 0.5, by: "luck" }, 0.5]) {
    const { status, body } = await server.post("/v1/reason", { ...UNSURE, escalate: wrong });
    assert.equal(status, 400, JSON.stringify(wrong));
    assert.match(body.error.message, /escalate/);
  }
});

const sequenceOf = (frames: readonly Json[]) =>
  frames.map(({ type }) => type).filter((type, index, all) => type !== "token" && type !== all[index - 1]);

test("streamed and over the socket, the debate's frames come between the vote and the result", async (t) => {
  const { server } = await runDebating(t, { react: four });
  const events = await server.stream("/v1/reason", { ...UNSURE, escalate });
  assert.equal(events.at(-1)?.data, "[DONE]");
  const streamed = events.slice(0, -1).map(({ data }) => data);
  const socket = await connectSocket(t, server);
  const { stream: _, ...asked } = { ...UNSURE, escalate, stream: true };
  socket.send({ type: "reason", id: "mine", ...asked });
  const result = await socket.last("mine");
  for (const frames of [streamed, socket.of("mine")]) {
    const order = sequenceOf(frames);
    assert.deepEqual(order.slice(0, 1), ["accepted"]);
    assert.ok(order.indexOf("escalate") > order.lastIndexOf("vote"));
    assert.equal(order[order.indexOf("escalate") + 1], "debate");
    assert.ok(order.indexOf("round") > order.lastIndexOf("node"));
    assert.equal(order.at(-1), "result");
    assert.equal(order.includes("debate_result"), false);
    assert.equal(new Set(frames.map(({ id }) => id)).size, 1);
    assert.deepEqual(frames.find(({ type }) => type === "debate")?.agents.length, 3);
  }
  assert.deepEqual([result.answer, result.escalated.failed], ["4", null]);
});

/** A socket with a question whose debate has got its first answers, and whose agents are silent then. */
async function inDebate(t: Parameters<typeof runDebating>[0]) {
  const closed: string[] = [];
  const { server, agents } = await runDebating(t, {
    react({ model }: Asked, nth: number): Reaction {
      if (nth === 0) return { says: says(model === "c" ? 7 : 4) };
      return { silent: true, onClosed: () => closed.push(model) };
    },
  });
  const socket = await connectSocket(t, server);
  socket.send({ type: "reason", id: "mine", ...UNSURE, escalate });
  await until(() => [...agents.counts.values()].filter(({ requests }) => requests === 2).length === 3);
  return { server, socket, closed };
}

test("enough settles the debate of a question too", async (t) => {
  const { socket, closed } = await inDebate(t);
  socket.send({ type: "enough", id: "mine" });
  const result = await socket.last("mine");
  assert.deepEqual(
    [result.type, result.answer, result.escalated.debate.decided_in, result.escalated.failed],
    ["result", "4", 0, null],
  );
  await until(() => closed.length === 3);
});

test("cancel, and a client that goes away, give up the debate", async (t) => {
  const { server, socket, closed } = await inDebate(t);
  socket.send({ type: "cancel", id: "mine" });
  assert.equal((await socket.last("mine")).error.code, "cancelled");
  await until(() => closed.length === 3);
  assert.equal(await server.metric(outcome("cancelled")), 1);
  const other = await inDebate(t);
  other.socket.ws.terminate();
  await until(() => other.closed.length === 3 && other.server.app.lifecycle.active === 0);
  assert.equal(await other.server.metric('magdi_debates_total{purpose="escalation",reason="gone"}'), 1);
});

test("a shutdown settles the debate of a question", async (t) => {
  const { server, socket } = await inDebate(t);
  const drained = server.app.drain(0);
  const result = await socket.last("mine");
  assert.deepEqual([result.answer, result.escalated.failed], ["4", null]);
  await drained;
});
