// magdi import over models made to hold it, to exhaust its memory or to overflow its stack: each is one line that names the
// file, and nothing is left behind.

import assert from "node:assert/strict";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { magdi } from "../support/magdi-command.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";
import { ARRAY, FLOAT32, STRING, tinyGguf } from "../support/tiny-gguf.ts";
import { array, f32, text, u32 } from "../tensor/support/gguf-bytes.ts";

const folder = scratchFolder();
const base = path.join(folder, "base");
writeRandomBase(base, { tokenizer: true });
const out = path.join(folder, "out");

const deep = `{"a":${"[".repeat(1_000_000)}${"]".repeat(1_000_000)}}`;
const deepObjects = `{"normalizer":${'{"type":"Sequence","normalizers":['.repeat(10_000)}${"]}".repeat(10_000)}}`;
const shards = (name: string): string => JSON.stringify({ weight_map: { "model.norm.weight": name } });

const FILES: readonly (readonly [file: string, content: string, message: RegExp])[] = [
  ["tokenizer.json", deep, /tokenizer\.json: expected .*128 deep/],
  ["tokenizer.json", deepObjects, /tokenizer\.json: expected .*128 deep/],
  ["tokenizer.json", "[".repeat(1_000_000), /tokenizer\.json: expected .*128 deep/],
  ["tokenizer.json", "[]", /tokenizer\.json: expected a JSON object/],
  ["tokenizer_config.json", deep, /tokenizer_config\.json: expected .*128 deep/],
  ["config.json", deep, /config\.json: expected .*128 deep/],
  ["generation_config.json", deep, /generation_config\.json: expected .*128 deep/],
  [
    "model.safetensors.index.json",
    deep,
    /index\.json: the index, at character \d+: expected at most 64 levels/,
  ],
  [
    "model.safetensors.index.json",
    shards(`${"a".repeat(100_000)}.safetensors`),
    /index\.json: tensor "model\.norm/,
  ],
  [
    "model.safetensors.index.json",
    shards(`${"a".repeat(300)}.safetensors`),
    /a+\.safetensors: .*ENAMETOOLONG/,
  ],
  [
    "chat_template.jinja",
    "{% for i in range(1000000000) %}{% endfor %}",
    /chat_template\.jinja: .* range of 1000000000/,
  ],
  [
    "tokenizer_config.json",
    JSON.stringify({ chat_template: `{%${" ".repeat(100_000)}if true %}{% endif %}` }),
    /tokenizer_config\.json \(chat_template\): .*100000 characters of white space/,
  ],
];

/** The base with one file more, or another. */
function source(file: string, content: string | Uint8Array): string {
  const changed = path.join(folder, "changed");
  rmSync(changed, { recursive: true, force: true });
  cpSync(base, changed, { recursive: true });
  if (file.endsWith(".index.json")) rmSync(path.join(changed, "model.safetensors"));
  writeFileSync(path.join(changed, file), content);
  return changed;
}

test("each hostile file is refused by name, and nothing is left behind", async () => {
  for (const [file, content, message] of FILES) {
    const from = source(file, content);
    await assert.rejects(
      importStudent({ source: from, out, dtypes: ["q4"] }),
      (error: Error) => {
        assert.ok(error instanceof MagdiError, `${file}: ${error.stack}`);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        assert.ok(error.message.length < 1000);
        return true;
      },
      file,
    );
    assert.equal(existsSync(out), false);
  }
});

test("as users run it, that is one line and exit code 1", async () => {
  const json = JSON.parse(readFileSync(path.join(base, "tokenizer.json"), "utf8"));
  const pattern = { Regex: "(a|a)+z" };
  const pre_tokenizer = { type: "Split", pattern, behavior: "Isolated", invert: false };
  const cases: [file: string, content: string, message: RegExp][] = [
    ["tokenizer.json", deep, /128 deep/],
    [
      "tokenizer.json",
      JSON.stringify({ ...json, pre_tokenizer }),
      /pre_tokenizer: the regular expression "\(a\|a\)\+z"/,
    ],
  ];
  for (const [file, content, message] of cases) {
    const { code, stderr } = await magdi("import", source(file, content), "--out", out, "--dtype", "q4");
    assert.equal(code, 1, stderr);
    assert.match(stderr, /^magdi import: [^\n]*\n$/);
    assert.match(stderr, message);
  }
});

/** A GGUF of the tiny llama whose vocabulary is SentencePiece's, of these pieces. */
function gguf(pieces: readonly string[]): string {
  const tokens = ["<unk>", "<s>", "</s>", ...pieces];
  const config = JSON.parse(readFileSync(fixture("tiny-llama/base/config.json"), "utf8"));
  const file = path.join(folder, "pieces.gguf");
  const metadata = [
    ["tokenizer.ggml.model", STRING, text("llama")],
    ["tokenizer.ggml.tokens", ARRAY, array(STRING, tokens.map(text))],
    [
      "tokenizer.ggml.scores",
      ARRAY,
      array(
        FLOAT32,
        tokens.map((_, id) => f32(-id)),
      ),
    ],
    [
      "tokenizer.ggml.token_type",
      ARRAY,
      array(
        5,
        tokens.map((_, id) => u32(id < 3 ? 3 : 1)),
      ),
    ],
  ] as const;
  writeFileSync(file, tinyGguf(config, fixture("tiny-llama/base/model.safetensors"), { metadata }));
  return file;
}

test("a GGUF vocabulary of a megabyte that would take far more to merge is refused at once", async () => {
  const runs = Array.from({ length: 1400 }, (_, i) => "a".repeat(i + 1));
  const long = Array.from({ length: 250 }, (_, i) => String.fromCharCode(0x4e00 + i) + "b".repeat(4000));
  for (const pieces of [runs, long]) {
    const start = performance.now();
    await assert.rejects(importStudent({ source: gguf(pieces), out, dtypes: ["q4"] }), {
      code: "MAGDI_UNSUPPORTED",
      message: /tokenizer\.ggml\.tokens: has pieces far longer than a vocabulary's/,
    });
    assert.ok(performance.now() - start < 10_000);
  }
});
