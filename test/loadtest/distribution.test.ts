// Percentiles of known values.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Distribution, median, percentile } from "../../loadtest/measures/distribution.ts";

test("percentiles are nearest ranks, whatever order the values came in", () => {
  const distribution = new Distribution();
  distribution.addAll(Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1));
  assert.deepEqual(distribution.summary(), {
    count: 100,
    mean: 50.5,
    min: 1,
    p50: 50,
    p90: 90,
    p95: 95,
    p99: 99,
    max: 100,
  });
});

test("one value is all its percentiles, and none has no summary", () => {
  const distribution = new Distribution();
  assert.equal(distribution.summary(), null);
  distribution.add(7);
  assert.equal(distribution.summary()?.p99, 7);
  assert.equal(distribution.summary()?.min, 7);
  assert.equal(percentile([1, 2, 3], 34), 2);
  assert.throws(() => percentile([], 50), RangeError);
});

test("the median of two is the lower", () => {
  assert.equal(median([9, 1, 4]), 4);
  assert.equal(median([4, 1]), 1);
  assert.equal(median([]), 0);
});
