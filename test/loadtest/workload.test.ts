// Requests from seeds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS } from "../../loadtest/requests/order.ts";
import { Workload } from "../../loadtest/requests/workload.ts";

const SHAPE = { samples: 3, maxTokens: 8 };

test("the same seed makes the same requests, another one others", () => {
  const bodies = (seed: number) => {
    const workload = new Workload(seed);
    return Array.from({ length: 20 }, () => workload.next(workload.pick(KINDS), SHAPE));
  };
  assert.deepEqual(bodies(1), bodies(1));
  assert.notDeepEqual(bodies(1), bodies(2));
});

test("all kinds and many questions come up", () => {
  const workload = new Workload(3);
  const kinds = new Set<string>();
  const questions = new Set<unknown>();
  for (let number = 0; number < 300; number++) {
    kinds.add(workload.pick(KINDS));
    questions.add(workload.next("reason", SHAPE).body.question);
  }
  assert.equal(kinds.size, KINDS.length);
  assert.ok(questions.size > 24, `${questions.size} questions`);
  assert.equal(workload.made, 300);
});
