import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import { nodeClassifierShapes } from "../../../src/nn/node-classifier.ts";
import { scoreHeadShapes } from "../../../src/nn/score-head.ts";
import { readHeads, writeHeads } from "../../../src/train/adapter/heads-file.ts";
import { fixture, scratchFolder } from "../../support/scratch-folder.ts";

const folder = scratchFolder();
const SHAPES = new Map([
  ...scoreHeadShapes({ kind: "linear" }, 64),
  ...nodeClassifierShapes({ kind: "gcn", width: 24, classes: 2 }, 64),
]);

test("heads that PyTorch wrote are read, written and read again", () => {
  const heads = readHeads(fixture("tiny-llama", "heads.safetensors"), SHAPES);
  assert.deepEqual(new Set(heads.keys()), new Set(SHAPES.keys()));
  const at = path.join(folder, "heads.safetensors");
  writeHeads(at, heads);
  assert.deepEqual(new Map([...readHeads(at, SHAPES)].sort()), new Map([...heads].sort()));
});

test("other heads than those asked for are one error with every key", () => {
  assert.throws(
    () => readHeads(fixture("tiny-qwen2", "heads.safetensors"), SHAPES),
    (error) => {
      assert.ok(error instanceof MagdiError && error.code === "MAGDI_BAD_FILE");
      assert.match(error.message, /missing \(2\): score\.weight \[1, 64\], score\.bias \[1\]/);
      assert.match(error.message, /unexpected \(4\): .*score\.0\.weight \[48, 48\]/);
      assert.match(error.message, /mis-shaped \(6\): .*node\.weight expected \[2, 24\], found \[3, 16\]/);
      return true;
    },
  );
});
