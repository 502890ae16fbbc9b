// The places for debates and the budget of a day, each alone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { DailyBudget } from "../../src/server/debate/daily-budget.ts";
import { DebateQueue } from "../../src/server/debate/debate-queue.ts";
import { ManualClock } from "../support/manual-clock.ts";

const stays = new AbortController().signal;
const code = (expected: string) => (error: unknown) => error instanceof MagdiError && error.code === expected;

test("next is whose account has the fewest running, then who came first", async () => {
  const queue = new DebateQueue({ clock: new ManualClock(), atOnce: 2, waiting: 9, timeoutMs: 1000 });
  const begun: string[] = [];
  const enter = async (name: string) => {
    const free = await queue.acquire(name.charAt(0), stays);
    begun.push(name);
    return free;
  };
  const first = await enter("a1");
  const second = await enter("a2");
  const waiting = ["a3", "a4", "b1"].map(enter);
  assert.deepEqual([queue.running, queue.waiting], [2, 3]);
  first();
  first();
  (await waiting[2])?.();
  await waiting[0];
  assert.deepEqual(begun, ["a1", "a2", "b1", "a3"]);
  assert.deepEqual([queue.running, queue.waiting], [2, 1]);
  second();
  for (const free of await Promise.all(waiting)) free();
  assert.deepEqual([queue.running, queue.waiting], [0, 0]);
});

test("who leaves the line, and who waits too long, takes no place", async () => {
  const clock = new ManualClock();
  const queue = new DebateQueue({ clock, atOnce: 1, waiting: 2, timeoutMs: 1000 });
  const free = await queue.acquire("a", stays);
  const leaves = new AbortController();
  const left = queue.acquire("b", leaves.signal);
  const late = queue.acquire("c", stays);
  await assert.rejects(queue.acquire("d", stays), code("MAGDI_QUEUE_FULL"));
  leaves.abort(new Error("gone"));
  await assert.rejects(left, /gone/);
  clock.advance(1000);
  await assert.rejects(late, code("MAGDI_QUEUE_TIMEOUT"));
  free();
  assert.deepEqual([queue.running, queue.waiting, clock.pendingTimers], [0, 0, 0]);
  await queue.acquire("d", stays);
});

const DAY_MS = 86_400_000;

test("a day's sums begin anew at midnight UTC, and tell how long that is", () => {
  let wallMs = 3 * DAY_MS + 1000;
  const budget = new DailyBudget({ tokens: 100, usd: null }, { tokens: 60, usd: 1 }, () => wallMs);
  assert.deepEqual(budget.left("a"), { tokens: 60, usd: 1 });
  budget.add("a", { tokens: 50, usd: 0.25 });
  assert.deepEqual(
    [budget.left("a"), budget.left("b")],
    [
      { tokens: 10, usd: 0.75 },
      { tokens: 50, usd: 1 },
    ],
  );
  assert.ok(budget.hasLeft("a"));
  budget.add("a", { tokens: 20, usd: 0 });
  assert.deepEqual(budget.left("a").tokens, 0, "never below 0");
  assert.throws(
    () => budget.assertLeft("a"),
    (error) => error instanceof MagdiError && error.details.retry_after_seconds === 86_399,
  );
  budget.assertLeft("b");
  budget.add("b", { tokens: 0, usd: 1 });
  assert.throws(() => budget.assertLeft("b"), code("MAGDI_DEBATE_BUDGET"));
  budget.assertLeft(null);
  budget.add(null, { tokens: 30, usd: 9 });
  assert.throws(() => budget.assertLeft(null), code("MAGDI_DEBATE_BUDGET"));
  wallMs = 4 * DAY_MS - 1;
  assert.equal(budget.hasLeft("c"), false, "all have spent it");
  wallMs += 1;
  assert.deepEqual(budget.left("a"), { tokens: 60, usd: 1 });
});
