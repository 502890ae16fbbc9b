// The base's copy on disk while graphs use it, when the disk does not take it.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { forwardGraph } from "../../../src/nn/training-graph.ts";
import { openBase } from "../../../src/student/open-base.ts";
import { studentText } from "../../../src/train/run/open-base-tokenizer.ts";
import { BaseSessions } from "../../../src/train/step/base-session.ts";
import { NO_LIMITS, withFilesUpTo } from "../../support/limited-process.ts";
import { writeRandomBase } from "../../support/random-base.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const scratch = scratchFolder();
writeRandomBase(path.join(scratch, "base"), { tokenizer: true });

const base = () => openBase(path.join(scratch, "base"));
const refused = (message: RegExp) => ({ name: "MagdiError", code: "MAGDI_NOT_WRITTEN", message });

test("where the base's copy cannot be written is one error that says how large it is and names TMPDIR", async () => {
  const missing = path.join(scratch, "missing");
  await assert.rejects(
    BaseSessions.write(base(), { scratchFolder: missing }),
    refused(/missing: cannot be written \(ENOENT.* takes 0\.3 MB: .*TMPDIR$/),
  );
  assert.ok(!existsSync(missing));
});

test("a disk that fills up meanwhile is that error too, and nothing is left there", {
  skip: NO_LIMITS,
}, () => {
  const folder = path.join(scratch, "small");
  mkdirSync(folder);
  const source = (file: string): string => JSON.stringify(import.meta.resolve(`../../../src/${file}`));
  const found = withFilesUpTo<{ code: string; message: string }>(
    65_536,
    `import { BaseSessions } from ${source("train/step/base-session.ts")};
     import { openBase } from ${source("student/open-base.ts")};
     const base = openBase(${JSON.stringify(path.join(scratch, "base"))});
     const error = await BaseSessions.write(base, { scratchFolder: ${JSON.stringify(folder)} }).catch((error) => error);
     console.log(JSON.stringify({ code: error.code, message: error.message }));`,
  );
  assert.equal(found.code, "MAGDI_NOT_WRITTEN");
  assert.match(found.message, /small: cannot be written \(EFBIG.*TMPDIR$/);
  assert.deepEqual(readdirSync(folder), []);
});

test("a graph that cannot be written beside them is that error too", async () => {
  const opened = base();
  const folder = path.join(scratch, "graphs");
  mkdirSync(folder);
  const sessions = await BaseSessions.write(opened, { scratchFolder: folder });
  for (const name of readdirSync(folder)) rmSync(path.join(folder, name), { recursive: true });
  await assert.rejects(
    sessions.open("forward", forwardGraph(opened.config, sessions.load, null)),
    refused(/graphs: cannot be written \(ENOENT.*TMPDIR$/),
  );
  sessions.close();
});

test("where a base's tokenizer cannot be laid down is an error that names TMPDIR", async () => {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = path.join(scratch, "missing");
  try {
    await assert.rejects(studentText(base()), refused(/missing: cannot be written \(ENOENT.*TMPDIR$/));
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});
