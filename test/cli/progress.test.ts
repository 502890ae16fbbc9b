import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { terminalProgress } from "../../src/cli/progress.ts";

function stream(isTTY: boolean): { written: () => string; sink: Writable & { isTTY: boolean } } {
  const chunks: string[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return { written: () => chunks.join(""), sink: Object.assign(sink, { isTTY }) };
}

test("a terminal has one line rewritten for each stage, ended once", () => {
  const { written, sink } = stream(true);
  const progress = terminalProgress(sink);
  progress.report("writing", 1, 2);
  progress.report("writing", 2, 2);
  progress.report("hashing", 1, 1);
  progress.end();
  progress.end();
  const lines = "\r\u001b[Kwriting: 1 of 2\r\u001b[Kwriting: 2 of 2\n\r\u001b[Khashing: 1 of 1\n";
  assert.equal(written(), lines);
});

test("a log has one line for each tenth", () => {
  const { written, sink } = stream(false);
  const progress = terminalProgress(sink);
  for (let done = 1; done <= 1000; done++) progress.report("writing", done, 1000);
  progress.end();
  const lines = written().trimEnd().split("\n");
  assert.equal(lines.length, 11);
  assert.deepEqual(
    [lines[0], lines[1], lines[10]],
    ["writing: 1 of 1000", "writing: 100 of 1000", "writing: 1000 of 1000"],
  );
});

test("a log of slow work has a line for each minute too", () => {
  const { written, sink } = stream(false);
  let nowMs = 0;
  const progress = terminalProgress(sink, { nowMs: () => nowMs });
  for (let done = 1; done <= 9; done++) {
    nowMs += 20_000;
    progress.report("asking", done, 1000);
  }
  assert.equal(written(), "asking: 1 of 1000\nasking: 4 of 1000\nasking: 7 of 1000\n");
});
