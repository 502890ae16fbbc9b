// The lines of a run, gone on with: what is kept, what is cut, and that nothing is written anew.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openRunLog, type RunLogLine, readRunLog } from "../../../src/train/run/run-log.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const scratch = scratchFolder();
const best = (step: number): RunLogLine => ({ kind: "best", step, loss: 1 / step });
const end: RunLogLine = { kind: "end", step: 3, reason: "done", seconds: 1 };
let files = 0;

function logOf(lines: readonly RunLogLine[], tail = ""): string {
  files += 1;
  const file = path.join(scratch, `log-${files}.jsonl`);
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join("") + tail);
  return file;
}

function goneOn(file: string, step: number, finished = false): RunLogLine[] {
  const log = openRunLog(file, step, finished);
  log.append(best(9));
  log.close();
  return readRunLog(file);
}

test("a torn last line is cut off, and the next one stands by itself", () => {
  const lines = [best(1), best(2)];
  for (const tail of ["", '{"kind":"be', JSON.stringify(best(3))])
    assert.deepEqual(goneOn(logOf(lines, tail), 2), [...lines, best(9)], tail);
});

test("what came after the step is dropped, and the end of a run that goes on", () => {
  const lines = [best(1), best(2), best(3), end];
  assert.deepEqual(goneOn(logOf(lines), 2), [best(1), best(2), best(9)]);
  assert.deepEqual(goneOn(logOf(lines), 3), [best(1), best(2), best(3), best(9)]);
  assert.deepEqual(goneOn(logOf(lines), 3, true), [...lines, best(9)]);
  assert.deepEqual(goneOn(logOf(lines), -1), [best(9)]);
});

test("lines that stay are not written anew: a full disk cannot lose them", () => {
  const file = logOf([best(1), best(2), best(3)]);
  const { ino } = statSync(file);
  const before = readFileSync(file, "utf8").split("\n").slice(0, 2).join("\n");
  openRunLog(file, 2).close();
  assert.equal(statSync(file).ino, ino);
  assert.equal(readFileSync(file, "utf8"), `${before}\n`);
  assert.deepEqual(
    readdirSync(scratch).filter((name) => name.includes("part")),
    [],
  );
});
