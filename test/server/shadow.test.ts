// Debates in the background, over real sockets: they hold up no answer, cost no more than they may, and are kept only where
// that is asked for.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { formatOf, importedRecord } from "../../src/mag/import-formats.ts";
import { magOf, noCounts } from "../../src/mag/record-to-mag.ts";
import { isChosen } from "../../src/server/debate/shadow.ts";
import { type Reaction, says } from "../debate/support/scripted-agents.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { type Json, runTiny } from "./support/running-app.ts";
import { type Debating, runDebating } from "./support/running-debates.ts";
import { until } from "./support/until.ts";

const scratch = scratchFolder();
const ALL = { shadowShare: 1, shadowTokensPerDay: 1_000_000 };
const FOUR = { question: "How many are 2 + 2? {{The answer is 4.}}", task: "math", seed: 1 };

const series = (outcome: string) => `magdi_shadow_debates_total{task="math",outcome="${outcome}"}`;

async function shadowed({ server }: Pick<Debating, "server">, outcome: string, times = 1): Promise<void> {
  while ((await server.metric(series(outcome))) < times);
}

test("every answered question is debated after its answer, and agreement is by value", async (t) => {
  let said: string | number = "4.0";
  const debating = await runDebating(t, { config: ALL, react: () => ({ says: says(said) }) });
  const { server, agents } = debating;
  const alone = await runTiny(t);
  const [{ body }, { body: expected }] = [
    await server.post("/v1/reason", FOUR),
    await alone.server.post("/v1/reason", FOUR),
  ];
  const { id: _, timing: __, ...same } = body;
  const { id: ___, timing: ____, ...plain } = expected;
  assert.deepEqual(same, plain, "the answer is what it is without agents");
  await shadowed(debating, "agreed");
  said = 5;
  await server.post("/v1/reason", FOUR);
  await shadowed(debating, "disagreed");
  said = "who knows";
  await server.post("/v1/reason", FOUR);
  await shadowed(debating, "no_answer");
  const counts = [...agents.counts.values()];
  assert.equal(
    await server.metric('magdi_debate_agent_tokens_total{purpose="shadow",kind="prompt"}'),
    counts.reduce((sum, one) => sum + one.promptTokens, 0),
  );
  await server.post("/v1/reason", { ...FOUR, question: "{{I cannot say}}" });
  assert.equal(await server.metric('magdi_debates_total{purpose="shadow",reason="consensus"}'), 2);
});

test("agents that never answer hold up no answer, and take no place of those who ask", async (t) => {
  let asked = 0;
  const { server } = await runDebating(t, {
    config: { ...ALL, debatesAtOnce: 1, shadowQueue: 1 },
    react: ({ prompt }): Reaction => {
      asked += 1;
      return prompt.includes("aloud") ? { says: says(4) } : { silent: true };
    },
  });
  for (let question = 0; question < 5; question++) {
    assert.equal((await server.post("/v1/reason", { ...FOUR, seed: question })).body.answer, "4");
  }
  await until(() => asked === 6);
  await shadowed({ server }, "dropped", 2);
  const { status } = await server.post("/v1/debate", { question: "What is 2 + 2, aloud?" });
  assert.equal(status, 200);
});

test("the share is by a hash: the same questions whenever they are asked, about as many as it says", async (t) => {
  const seeds = Array.from({ length: 400 }, (_, seed) => seed);
  const chosen = (share: number) =>
    seeds.filter((seed) =>
      isChosen({ question: FOUR.question, choices: null, passage: null, sampling: { seed } }, share),
    );
  assert.deepEqual([chosen(0).length, chosen(1).length], [0, 400]);
  const few = chosen(0.1);
  assert.ok(few.length > 20 && few.length < 60, `${few.length} of 400`);
  assert.ok(
    few.every((seed) => chosen(0.2).includes(seed)),
    "a greater share has the same questions too",
  );
  const [one = 0] = few;
  const { server, agents } = await runDebating(t, { config: { ...ALL, shadowShare: 0.1 } });
  const others = seeds.filter((seed) => !few.includes(seed)).slice(0, 5);
  for (const seed of [...others, one]) await server.post("/v1/reason", { ...FOUR, seed });
  await shadowed({ server }, "agreed");
  assert.equal(agents.answered.length, 3);
});

test("it costs no more than its own budget of a day, which is not the callers'", async (t) => {
  let wallMs = 0;
  const { server, agents } = await runDebating(t, {
    wallMs: () => wallMs,
    config: { shadowShare: 1, shadowUsdPerDay: 0.000_001, debateKeyTokensPerDay: 1 },
  });
  await server.post("/v1/reason", FOUR);
  await shadowed({ server }, "agreed");
  const { length: before } = agents.answered;
  await server.post("/v1/reason", FOUR);
  await shadowed({ server }, "budget");
  assert.equal(agents.answered.length, before);
  assert.equal((await server.get("/v1/agents")).body.budget.tokens_left, 1, "the caller has spent nothing");
  wallMs += 86_400_000;
  await server.post("/v1/reason", FOUR);
  await shadowed({ server }, "agreed", 2);
});

test("it spends of everybody's budget, and stops with it", async (t) => {
  const { server } = await runDebating(t, { config: { ...ALL, debateTokensPerDay: 1 } });
  await server.post("/v1/reason", FOUR);
  await shadowed({ server }, "agreed");
  assert.equal((await server.post("/v1/debate", { question: "How many?" })).status, 429);
  await server.post("/v1/reason", FOUR);
  await shadowed({ server }, "budget");
});

const linesOf = (file: string): Json[] =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("transcripts are kept where shadowOut says, over restarts, and are graphs once somebody says what is right", async (t) => {
  const file = path.join(scratch, "shadow.jsonl");
  writeFileSync(file, '{"question_id":"cut');
  for (const run of [1, 2]) {
    const debating = await runDebating(t, { config: { ...ALL, shadowOut: file } });
    await debating.server.post("/v1/reason", FOUR);
    await shadowed(debating, "agreed");
    await debating.server.app.close();
    assert.equal(linesOf(file).length, run);
  }
  const [first, second] = linesOf(file);
  assert.equal(first.question_id, second.question_id, "one question");
  assert.deepEqual(
    [first.use, first.gold, first.benchmark, first.question, first.student.answer, first.team.rescaled],
    ["train", null, "live", FOUR.question, "4", "4"],
  );
  assert.equal(formatOf(first), "agents");
  assert.throws(() => importedRecord(first, "agents", "here"), /gold/);
  const read = importedRecord({ ...first, gold: "4" }, "agents", "here");
  const mag = magOf(read, { source: "shadow.jsonl", where: "here" }, {}, noCounts());
  assert.deepEqual(
    mag?.nodes.map(({ agent, label }) => [agent, label]),
    [
      ["a", 1],
      ["b", 1],
      ["c", 1],
    ],
  );
});

test("an escalated question is not debated twice", async (t) => {
  const { server, agents } = await runDebating(t, { config: ALL });
  const unsure = { ...FOUR, question: "{{The answer is [0123456789].}}", samples: 8, temperature: 2 };
  const { body } = await server.post("/v1/reason", {
    ...unsure,
    early_stop: "off",
    escalate: { below: 0.95 },
  });
  assert.equal(body.escalated.failed, null);
  await server.post("/v1/reason", FOUR);
  await shadowed({ server }, "agreed");
  assert.equal(agents.answered.length, 6);
});

test("a shutdown drops what runs and waits", async (t) => {
  let asked = 0;
  let closed = 0;
  const { server } = await runDebating(t, {
    config: ALL,
    react() {
      asked += 1;
      return { silent: true, onClosed: () => (closed += 1) };
    },
  });
  for (let seed = 0; seed < 4; seed++) await server.post("/v1/reason", { ...FOUR, seed });
  await until(() => asked === 6);
  await server.app.close();
  await until(() => closed === 6);
  assert.equal(asked, 6);
});

test("it is refused at start without a bound, and without agents", async (t) => {
  await assert.rejects(
    runDebating(t, { config: { shadowShare: 0.1 } }),
    /shadowShare: expected shadowUsdPerDay or shadowTokensPerDay/,
  );
  await assert.rejects(runTiny(t, { config: ALL }), /shadowShare: expected agents/);
});
