// Prometheus' text, read.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bucketBound, MetricsSnapshot } from "../../loadtest/server/metrics-snapshot.ts";

const TEXT = `# HELP a_total Things.
# TYPE a_total counter
a_total{reason="x y"} 3
a_total{reason="z"} 0
# TYPE d_seconds histogram
d_seconds_bucket{le="0.01"} 90
d_seconds_bucket{le="0.1"} 99
d_seconds_bucket{le="+Inf"} 100
d_seconds_sum 1.5
d_seconds_count 100
# TYPE info gauge
info{model="tiny",kind="b"} 1
`;

test("series have values, counters a list, labels their pairs", () => {
  const snapshot = new MetricsSnapshot(TEXT);
  assert.equal(snapshot.value('a_total{reason="x y"}'), 3);
  assert.equal(snapshot.value("nothing"), 0);
  assert.deepEqual(
    snapshot.counterSeries().map(({ name, series }) => `${name} ${series}`),
    ['a_total a_total{reason="x y"}', 'a_total a_total{reason="z"}'],
  );
  assert.deepEqual(snapshot.labels("info"), [{ model: "tiny", kind: "b" }]);
});

test("a percentile of a histogram is its bucket's bound, of what came since", () => {
  const now = new MetricsSnapshot(TEXT);
  const before = new MetricsSnapshot('d_seconds_bucket{le="0.01"} 90\nd_seconds_bucket{le="0.1"} 90\n');
  const all = now.buckets("d_seconds", new MetricsSnapshot(""));
  assert.equal(bucketBound(all, 50), 0.01);
  assert.equal(bucketBound(all, 99), 0.1);
  assert.equal(bucketBound(all, 100), Number.POSITIVE_INFINITY);
  assert.equal(bucketBound(now.buckets("d_seconds", before), 1), 0.1);
  assert.equal(bucketBound(now.buckets("d_seconds", now), 50), null);
});
