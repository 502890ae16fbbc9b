import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { measureStepTimes } from "../../src/measuring/step-times.ts";
import { openStudentFolder } from "../../src/student/open-student-folder.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

test("each dtype gets the shortest of its times, whatever disturbs the others", async () => {
  const source = path.join(folder, "base");
  const out = path.join(folder, "student");
  const config = writeRandomBase(source);
  await importStudent({ source, out, dtypes: ["fp32", "q8"] });
  const written = (["fp32", "q8"] as const).map((dtype) => ({
    dtype,
    engineGraph: openStudentFolder(out, dtype).engineGraph,
  }));
  // A clock on which every step takes 100 ms, but one of each kind and dtype 3 ms.
  let reads = 0;
  let clock = 0;
  const now = (): number => {
    if (reads % 2 === 1) clock += Math.floor(reads / 2) % 5 === 2 ? 3 : 100;
    reads += 1;
    return clock;
  };
  const stages: string[] = [];
  const times = await measureStepTimes(written, {
    config,
    threads: 1,
    now,
    onProgress: (stage, done, total) => stages.push(`${stage} ${done}/${total}`),
  });
  const expected = { promptMs: 3, stepMs: 3, tenRowStepMs: 3 };
  assert.deepEqual(
    [...times],
    [
      ["fp32", expected],
      ["q8", expected],
    ],
  );
  assert.equal(reads, 2 * 2 * 3 * 3 * 5);
  assert.deepEqual(stages.slice(0, 3), ["timing fp32 1/6", "timing q8 2/6", "timing fp32 3/6"]);
});
