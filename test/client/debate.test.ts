// Debates by the typed client, against the real app and scripted agents.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiApiError, MagdiClient } from "../../src/client/index.ts";
import { says } from "../debate/support/scripted-agents.ts";
import { runTiny } from "../server/support/running-app.ts";
import { runDebating } from "../server/support/running-debates.ts";

const QUESTION = { question: "What is 2 + 2?", seed: 1 } as const;

test("a debate whole, as a stream and in a session is one and the same", async (t) => {
  const { server } = await runDebating(t, {
    react: ({ model, prompt }) => ({
      says: says(model === "c" && !prompt.includes("2 agents think") ? 5 : 4),
    }),
  });
  const client = new MagdiClient({ baseUrl: server.url });
  const { data, allowed } = await client.agents();
  assert.deepEqual([data.map(({ name }) => name), allowed], [["a", "b", "c"], true]);
  const whole = await client.debate(QUESTION);
  const stream = client.debateStream(QUESTION);
  const types: string[] = [];
  for await (const frame of stream) types.push(frame.type);
  const streamed = await stream.result();
  const session = await client.connect();
  const run = session.debate(QUESTION);
  const rounds: boolean[] = [];
  for await (const frame of run) if (frame.type === "round") rounds.push(frame.consensus);
  const inSession = await run.result;
  await session.close();
  for (const { answer, debate, stop_reason } of [whole, streamed, inSession]) {
    assert.deepEqual([answer, debate.rounds, stop_reason], ["4", 1, "consensus"]);
  }
  assert.deepEqual([types.at(0), types.at(-1)], ["debate", "debate_result"]);
  assert.deepEqual(rounds, [false, true]);
  assert.equal("type" in streamed, false);
});

test("a question that is escalated has the debate's frames, and both answers", async (t) => {
  const { server } = await runDebating(t);
  const client = new MagdiClient({ baseUrl: server.url });
  const stream = client.reasonStream({
    question: "{{I cannot say}}",
    task: "math",
    escalate: { below: 0.5 },
  });
  const types = new Set<string>();
  for await (const { type } of stream) types.add(type);
  const { answer, escalated } = await stream.result();
  assert.deepEqual([answer, escalated?.reason, escalated?.from.answer], ["4", "no_answer", null]);
  assert.ok(types.has("escalate") && types.has("node"));
});

test("a server without agents refuses with its code", async (t) => {
  const { server } = await runTiny(t);
  const client = new MagdiClient({ baseUrl: server.url });
  assert.deepEqual((await client.agents()).data, []);
  await assert.rejects(
    client.debate(QUESTION),
    (error) => error instanceof MagdiApiError && error.status === 501 && error.code === "no_agents",
  );
});
