// The parts of a debate by themselves: limits, prompts, the file of agents, the estimate.

import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openAgents, readAgents } from "../../src/debate/agents-file.ts";
import { CallJournal, type CallLine } from "../../src/debate/call-journal.ts";
import { CallLimiter } from "../../src/debate/call-limiter.ts";
import { DebatePrompts } from "../../src/debate/debate-prompts.ts";
import { until } from "../server/support/until.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { question } from "./support/held-debates.ts";

const folder = scratchFolder();
const NEVER = new AbortController().signal;

test("an agent's calls: so many at once, the others in order", async () => {
  const limiter = new CallLimiter({ concurrency: 2, requestsPerMinute: null }, new ManualClock());
  const begun: number[] = [];
  const releases: (() => void)[] = [];
  for (let call = 0; call < 4; call++) {
    void limiter.acquire(NEVER).then((release) => {
      begun.push(call);
      releases.push(release);
    });
  }
  await until(() => begun.length === 2);
  releases.shift()?.();
  await until(() => begun.length === 3);
  assert.deepEqual(begun, [0, 1, 2]);
  releases.shift()?.();
  await until(() => begun.length === 4);
});

test("an agent's calls begin evenly over a minute, and not before a pause is over", async () => {
  const clock = new ManualClock();
  const limiter = new CallLimiter({ concurrency: 8, requestsPerMinute: 6 }, clock);
  const begun: number[] = [];
  for (let call = 0; call < 3; call++) void limiter.acquire(NEVER).then(() => begun.push(clock.nowMs()));
  await until(() => clock.pendingTimers === 2);
  clock.advance(9_999);
  assert.deepEqual(begun, [0]);
  clock.advance(1);
  await until(() => begun.length === 2);
  limiter.pause(60_000);
  clock.advance(10_000);
  await until(() => clock.pendingTimers === 1); // waits again
  clock.advance(49_999);
  assert.equal(begun.length, 2);
  clock.advance(1);
  await until(() => begun.length === 3);
  assert.deepEqual(begun, [0, 10_000, 70_000]);
});

test("a call that stops waiting gives its place back", async () => {
  const limiter = new CallLimiter({ concurrency: 1, requestsPerMinute: null }, new ManualClock());
  const release = await limiter.acquire(NEVER);
  const gone = new AbortController();
  const waiting = limiter.acquire(gone.signal);
  gone.abort(new Error("gone"));
  await assert.rejects(waiting, /gone/);
  release();
  (await limiter.acquire(NEVER))();
});

test("prompts can be replaced file by file; others, and wrong placeholders, are refused", () => {
  const shipped = DebatePrompts.load(null);
  const own = path.join(folder, "prompts");
  mkdirSync(own);
  writeFileSync(path.join(own, "math.json.txt"), "Write only JSON.");
  const replaced = DebatePrompts.load(own);
  assert.notEqual(replaced.sha256, shipped.sha256);
  assert.match(replaced.sha256, /^[0-9a-f]{64}$/);
  assert.equal(DebatePrompts.load(null).sha256, shipped.sha256);
  const asked = question("{{answers}} $& 2+2");
  assert.equal(
    replaced.render(asked, { name: "a", form: "json" }, null)[0]?.content,
    "Question: What is {{answers}} $& 2+2?\n\nWrite only JSON.",
  );
  writeFileSync(path.join(own, "alone.txt"), "{{question}} {{answer}} {{instruction}}");
  assert.throws(() => DebatePrompts.load(own), {
    code: "MAGDI_BAD_CONFIG",
    message: /alone\.txt: expected \{\{question\}\}, \{\{instruction\}\}, found \{\{answer\}\}$/,
  });
  writeFileSync(path.join(own, "alone.txt"), "{{question}}");
  assert.throws(() => DebatePrompts.load(own), { message: /found no \{\{instruction\}\}$/ });
  writeFileSync(path.join(own, "alone.md"), "{{question}}");
  assert.throws(() => DebatePrompts.load(own), { code: "MAGDI_BAD_CONFIG", message: /found alone\.md$/ });
  assert.throws(() => DebatePrompts.load(path.join(folder, "none")), { code: "MAGDI_FILE_MISSING" });
});

const GOOD = { name: "a", base_url: "http://127.0.0.1:1/v1", model: "m" };

test("the file of agents is checked field by field, and keys come from the environment", async () => {
  const file = path.join(folder, "agents.json");
  for (const [agents, message] of [
    [[GOOD], /agents: expected at least 2/],
    [[GOOD, GOOD], /name: expected each agent's own, found a twice/],
    [[GOOD, { ...GOOD, name: "b c" }], /agents\.1: name: expected letters/],
    [[GOOD, { ...GOOD, name: "b", base_url: "example" }], /agents\.1: base_url: expected an address/],
    [[GOOD, { ...GOOD, name: "b", api_key: "sk" }], /agents\.1: expected no field api_key/],
    [[GOOD, { ...GOOD, name: "b", temperature: 3 }], /agents\.1: temperature: /],
    [[GOOD, { ...GOOD, name: "b", extra: { stream: true } }], /agents\.1: extra: expected none of .*stream/],
    [[GOOD, { name: "b", student: "x", model: "m" }], /agents\.1: expected no field model/],
  ] as const) {
    writeFileSync(file, JSON.stringify({ agents }));
    assert.throws(() => readAgents(file), { code: "MAGDI_BAD_FILE", message });
  }
  writeFileSync(file, JSON.stringify({ agents: [GOOD, { ...GOOD, name: "b", key_variable: "KEY_B" }] }));
  const specs = readAgents(file);
  await assert.rejects(openAgents(specs, {}), {
    code: "MAGDI_BAD_CONFIG",
    message: "agent b: expected its key in the variable KEY_B, found none",
  });
  const agents = await openAgents(specs, { KEY_B: "secret-key" });
  assert.deepEqual(
    agents.map(({ name, form, maxTokens }) => [name, form, maxTokens]),
    [
      ["a", "json", 1024],
      ["b", "json", 1024],
    ],
  );
  const request = JSON.stringify(agents[1]?.request([{ role: "user", content: "hello" }], 5));
  assert.equal(
    request,
    '{"model":"m","messages":[{"role":"user","content":"hello"}],"max_tokens":1024,"seed":5}',
  );
});

test("a journal goes on where it was cut off, and another file is left as it is", () => {
  const line: CallLine = {
    ...{ dataset: "sums", id: "1", round: 0, agent: "a", attempt: 0, started: "", ms: 1, seed: 1 },
    ...{ request: { a: 1 }, response: null, status: 500, error: "oops", final: false },
    ...{ prompt_tokens: null, completion_tokens: null, usd: null },
  };
  const file = path.join(folder, "journal.jsonl");
  const first = CallJournal.open(file, { fresh: false });
  first.add(line);
  first.add({ ...line, attempt: 1, error: null, final: true });
  first.close();
  appendFileSync(file, '{"dataset":"sums","id":"2"');
  const again = CallJournal.open(file, { fresh: false });
  assert.deepEqual([[...again.lines].length, again.attempts(line), again.outcome(line)?.attempt], [2, 2, 1]);
  assert.equal(again.outcome({ ...line, round: 1 }), undefined);
  again.add({ ...line, id: "2" });
  again.close();
  assert.equal(readFileSync(file, "utf8").trimEnd().split("\n").length, 4);
  const other = path.join(folder, "notes.txt");
  writeFileSync(other, "my notes");
  assert.throws(() => CallJournal.open(other, { fresh: false }), { code: "MAGDI_BAD_CONFIG" });
  assert.equal(readFileSync(other, "utf8"), "my notes");
  appendFileSync(file, "{}\n");
  assert.throws(() => CallJournal.open(file, { fresh: false }), {
    message: /journal\.jsonl:5: expected a call, found \{\}/,
  });
});
