// What endpoints do to those who ask them, one test each; what the ledger has is always what the agents counted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { scratchFolder } from "../support/scratch-folder.ts";
import { type Held, type HeldOptions, held, newFolder, question } from "./support/held-debates.ts";
import { type Asked, type Reaction, says } from "./support/scripted-agents.ts";
import { SkippingClock } from "./support/skipping-clock.ts";

const scratch = scratchFolder();

/** Debates of a and b in which a's first request is met with `reaction`, and all others with 4. */
async function met(reaction: Reaction, options: Partial<HeldOptions> = {}): Promise<Held> {
  const result = await held({
    folder: newFolder(scratch),
    names: ["a", "b"],
    react: ({ model }: Asked, nth) => (model === "a" && nth === 0 ? reaction : { says: says(4) }),
    ...options,
  });
  assertCounted(result);
  return result;
}

/** The ledger's sums are the agents' own, and every request is a line of the journal. */
function assertCounted({ ledger, server, lines }: Held): void {
  for (const [name, { calls, promptTokens, completionTokens }] of ledger.byAgent()) {
    const count = server.counts.get(name);
    assert.deepEqual(
      [calls, promptTokens, completionTokens],
      [count?.requests ?? 0, count?.promptTokens ?? 0, count?.completionTokens ?? 0],
      name,
    );
    assert.equal(lines.filter(({ agent }) => agent === name).length, count?.requests ?? 0);
  }
}

/** The failed attempt of a, and that the debate came to its end with the second. */
function assertRetried({ debates: [debate], lines, server }: Held, error: RegExp): void {
  const [failed, second] = lines.filter(({ agent }) => agent === "a");
  assert.match(failed?.error ?? "", error);
  assert.equal(failed?.final, false);
  assert.deepEqual([second?.error, second?.final, second?.attempt], [null, true, 1]);
  assert.equal(server.counts.get("a")?.requests, 2);
  assert.deepEqual(
    [debate?.consensus, debate?.rounds, debate?.nodes.length, debate?.missing.length],
    [true, 0, 2, 0],
  );
}

test("429 with Retry-After is waited for as long as it says", async () => {
  const run = await met({ status: 429, headers: { "retry-after": "7" } });
  assertRetried(run, /^status 429: not now$/);
  assert.equal(run.clock.waits[0], 7000);
});

test("429 without Retry-After is tried again after a second, then two", async () => {
  const react = ({ model }: Asked, nth: number): Reaction =>
    model === "a" && nth < 2 ? { status: 429 } : { says: says(4) };
  const run = await met({ status: 429 }, { react });
  assert.deepEqual(run.clock.waits, [1000, 2000]);
  assert.equal(run.debates[0]?.nodes.length, 2);
});

test("Retry-After of an hour ends the run, which can be continued", async () => {
  const run = await met({ status: 429, headers: { "retry-after": "3600" } });
  assert.match(String(run.stopped), /agent a asks to be left alone for 3600 s/);
  assert.equal(run.debates.length, 0);
  assert.equal(run.lines.filter(({ agent, final }) => agent === "a" && final).length, 0);
});

test("500 is tried again", async () => {
  assertRetried(await met({ status: 500, body: "<html>oops</html>" }), /^status 500/);
});

test("half a body is no answer, and may have been charged for", async () => {
  const run = await met({ half: '{"model":"a","choices":[{"mess' });
  assertRetried(run, /terminated|closed/);
  assert.equal(run.ledger.byAgent().get("a")?.unreportedCalls, 1);
});

test("a body that is no JSON is no answer", async () => {
  assertRetried(
    await met({ status: 200, body: "Hello, I am a web page" }),
    /expected JSON, found other text/,
  );
});

test("JSON that is no completion is no answer", async () => {
  assertRetried(
    await met({ status: 200, body: '{"choices":[]}' }),
    /expected a chat completion, found at choices/,
  );
});

test("JSON that nests too deep to be written down is no answer", async () => {
  const deep = `{"choices":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  assertRetried(await met({ status: 200, body: deep }), /nested too deep/);
});

test("an endless stream is cut off", async () => {
  assertRetried(await met({ endless: true }), /expected a response of at most 8388608 bytes, found more/);
});

test("a silence of 40 s is a time-out", async () => {
  const clock = new SkippingClock();
  const react = ({ model }: Asked, nth: number): Reaction => {
    if (model !== "a" || nth > 0) return { says: says(4) };
    setImmediate(() => clock.expire()); // the request has arrived, and nothing comes
    return { silent: true };
  };
  const run = await held({
    folder: newFolder(scratch),
    names: ["a", "b"],
    react,
    clock,
    limits: { concurrency: 1 },
  });
  const [failed, second] = run.lines.filter(({ agent }) => agent === "a");
  assert.match(failed?.error ?? "", /^no whole answer came in 40 s \(timeout_s\)$/);
  assert.equal(second?.error, null);
  assert.equal(run.debates[0]?.nodes.length, 2);
});

test("another model's name is in the record", async () => {
  const { debates } = await met({ says: says(4), model: "a-2026-11" });
  assert.deepEqual(
    debates[0]?.nodes.map(({ model }) => model),
    ["a-2026-11", "b"],
  );
});

test("an answer without usage counts as one that does not say, in a budget with the most it can have taken", async () => {
  const run = await met({ says: says(4), usage: false });
  const sums = run.ledger.byAgent().get("a");
  assert.deepEqual([sums?.unreportedCalls, sums?.promptTokens, sums?.completionTokens], [1, 0, 0]);
  const [line] = run.lines.filter(({ agent }) => agent === "a");
  assert.deepEqual([line?.prompt_tokens, line?.completion_tokens], [null, null]);
  const b = run.ledger.byAgent().get("b");
  const most = Buffer.byteLength(JSON.stringify(line?.request)) + 100;
  assert.equal(run.ledger.mostTokens, most + (b?.promptTokens ?? 0) + (b?.completionTokens ?? 0));
});

test("an answer that cannot be read is a node without an answer, and is not asked for again", async () => {
  const { debates, server } = await met({ says: "I would rather not say a number" });
  const [first] = debates[0]?.nodes ?? [];
  assert.deepEqual([first?.agent, first?.answer, first?.refused], ["a", null, false]);
  assert.equal(server.counts.get("a")?.requests, 2, "once a round");
  assert.equal(debates[0]?.rounds, 1, "a node without an answer is no consensus");
});

test("a refusal is a node without an answer", async () => {
  const { debates } = await met({ says: "4", refusal: "I can't help with 4." });
  const [first] = debates[0]?.nodes ?? [];
  assert.deepEqual([first?.answer, first?.refused, first?.reasoning], [null, true, "I can't help with 4."]);
});

test("an agent that fails for good is a missing node, and is asked again in the next round", async () => {
  const react = ({ model }: Asked, nth: number): Reaction =>
    model === "c" && nth < 3 ? { status: 503 } : { says: says(model === "a" && nth === 0 ? 5 : 4) };
  const run = await met({ status: 503 }, { react, names: ["a", "b", "c"] });
  const [debate] = run.debates;
  assert.deepEqual(debate?.missing, [
    { agent: "c", round: 0, error: "status 503: not now", status: 503, cut: false },
  ]);
  assert.deepEqual(
    debate?.nodes.map(({ agent, round }) => `${agent}${round}`),
    ["a0", "b0", "a1", "b1", "c1"],
  );
});

test("400 is not tried again: the next question may fit", async () => {
  const run = await met({ status: 400, body: '{"error":{"message":"too long"}}' });
  assert.deepEqual(run.debates[0]?.missing, [
    { agent: "a", round: 0, error: "status 400: too long", status: 400, cut: false },
  ]);
  assert.deepEqual(run.clock.waits, []);
});

for (const status of [401, 402, 403, 404]) {
  test(`${status} ends the run`, async () => {
    const run = await met({ status, body: '{"error":{"message":"who are you?"}}' });
    assert.match(
      String(run.stopped),
      new RegExp(`agent a: status ${status}: who are you\\?; .*check its address`),
    );
    assert.equal(run.debates.length, 0);
  });
}

test("429 for a quota that is used up ends the run", async () => {
  const run = await met({
    status: 429,
    body: '{"error":{"message":"no money","code":"insufficient_quota"}}',
  });
  assert.match(String(run.stopped), /agent a: status 429: no money/);
});

test("an agent that failed ten times in a row ends the run", async () => {
  const questions = Array.from({ length: 12 }, (_, index) => question(String(index)));
  const react = ({ model }: Asked): Reaction => (model === "a" ? { status: 502 } : { says: says(4) });
  const run = await met(
    { status: 502 },
    { react, questions, rounds: 0, limits: { concurrency: 1, retries: 0 } },
  );
  assert.match(String(run.stopped), /agent a failed in 10 calls in a row, the last time with: status 502/);
  assert.equal(run.debates.length, 10);
});

test("the budget ends the run, over it by no more than the calls that ran", async () => {
  const folder = newFolder(scratch);
  const questions = ["1", "2", "3", "4"].map((id) => question(id));
  const react = (): Reaction => ({ says: says(4) });
  const options = { folder, names: ["a", "b"], questions, react, limits: { concurrency: 1 } };
  const all = await held({ ...options, folder: newFolder(scratch) });
  const perCall = all.ledger.mostTokens / 8;
  const run = await held({ ...options, budget: { maxTokens: Math.round(3.5 * perCall) } });
  assertCounted(run);
  assert.match(String(run.stopped), /--max-tokens \d+ are used up/);
  assert.equal(run.lines.length, 4, "two at a time");
  assert.equal(run.debates.length, 2);
  const rest = await held({ ...options, budget: { maxUsd: 1 } });
  assert.equal(rest.stopped, undefined);
  assert.equal(rest.debates.length, 4);
  assert.equal(
    [...rest.server.counts.values()].reduce((sum, { requests }) => sum + requests, 0),
    4,
  );
  assert.equal(rest.ledger.mostTokens, all.ledger.mostTokens);
});

test("after a signal running calls are finished and kept, and no other begins", async () => {
  const folder = newFolder(scratch);
  const stop = new AbortController();
  const react = ({ model }: Asked): Reaction => {
    if (model === "a") stop.abort();
    return { says: says(model === "a" ? 4 : 5) };
  };
  const names = ["a", "b"];
  const run = await held({ folder, names, react, signal: stop.signal, limits: { concurrency: 1 } });
  assertCounted(run);
  assert.equal(run.debates.length, 0);
  assert.ok(run.lines.some(({ agent, error }) => agent === "a" && error === null));
  const rest = await held({ folder, names, react: () => ({ says: says(4) }) });
  assert.equal(rest.debates.length, 1);
  assert.equal(rest.lines.filter(({ agent, round }) => agent === "a" && round === 0).length, 1);
});

test("a journal of other questions is refused before anything is asked", async () => {
  const folder = newFolder(scratch);
  const react = (): Reaction => ({ says: says(4) });
  await held({ folder, react });
  const run = await held({ folder, react, questions: [question("2+2", { question: "What is 3+1?" })] });
  assert.match(String(run.stopped), /another request to a for round 0 of question 2\+2 \(sums\)/);
  assert.equal(run.server.counts.size, 0);
});
