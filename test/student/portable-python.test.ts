// What Transformers computes from exported folders and files, against the logits that it computed from their sources.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { writeGgufFile } from "../../src/student/write-gguf-file.ts";
import { writeHuggingFaceFolder } from "../../src/student/write-hugging-face-folder.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const PYTHON = process.env.PYTHON ?? "python3";
const SCRIPT = fileURLToPath(new URL("../support/portable_logits.py", import.meta.url));
const probe = spawnSync(PYTHON, ["-c", "import torch, transformers, gguf"], { encoding: "utf8" });
const NO_TRANSFORMERS =
  probe.status !== 0 &&
  `no Python with Transformers here: pip install torch transformers gguf, and name that Python in PYTHON (${PYTHON} is not it)`;

interface Case {
  readonly name: string;
  readonly folder: string;
  readonly gguf: string | null;
  readonly reference: string;
  /** Of the largest logit. */
  readonly tolerance: number;
  readonly greedy: boolean;
}

interface Result {
  readonly logits: number;
  readonly scale: number;
  readonly greedy: boolean;
}

describe("exports that Transformers runs", { skip: NO_TRANSFORMERS }, () => {
  const folder = scratchFolder();
  const cases: Case[] = [];
  let results: Result[] = [];

  before(async () => {
    const families = ["tiny-llama", "tiny-qwen2"].concat(
      [
        "tiny-llama-linear",
        "tiny-llama3-rope",
        "tiny-mistral",
        "tiny-qwen2-window",
        "tiny-qwen3",
        "tiny-qwen3-untied",
      ].map((name) => `families/${name}`),
    );
    for (const family of families) {
      const source = fixture(family, "base");
      const reference = fixture(family, "forward.safetensors");
      for (const [dtype, tolerance] of [
        ["fp32", 1e-5],
        ["fp16", 5e-3],
        ["bf16", 4e-2],
      ] as const) {
        const out = path.join(folder, `${path.basename(family)}-${dtype}`);
        await writeHuggingFaceFolder({ source, out, dtype });
        const name = `${family} in ${dtype}`;
        cases.push({ name, folder: out, gguf: null, reference, tolerance, greedy: dtype !== "bf16" });
      }
    }
    // Transformers does not read the head size of Qwen3's GGUF files.
    for (const family of ["tiny-llama", "tiny-qwen2"]) {
      for (const [dtype, tolerance] of [
        ["f32", 1e-5],
        ["f16", 5e-3],
        ["q8_0", 0.1],
        ["q4_1", 1],
      ] as const) {
        const file = `${path.basename(family)}-${dtype}.gguf`;
        await writeGgufFile({ source: fixture(family, "base"), out: path.join(folder, file), dtype });
        const reference = fixture(family, "forward.safetensors");
        const greedy = dtype === "f32" || dtype === "f16";
        cases.push({ name: file, folder, gguf: file, reference, tolerance, greedy });
      }
    }
    const python = spawnSync(PYTHON, [SCRIPT], { input: JSON.stringify(cases), encoding: "utf8" });
    assert.equal(python.status, 0, python.stderr);
    results = JSON.parse(python.stdout.trim().split("\n").at(-1)!);
  });

  test("logits within the format's error, greedy tokens equal in 16 and 32 bits", (t) => {
    cases.forEach(({ name, tolerance, greedy }, index) => {
      const result = results[index]!;
      const relative = result.logits / result.scale;
      t.diagnostic(`${name}: ${relative.toExponential(1)} of the largest logit`);
      assert.ok(relative <= tolerance, `${name}: expected at most ${tolerance}, found ${relative}`);
      if (greedy) assert.ok(result.greedy, `${name}: other greedy tokens`);
    });
  });
});
