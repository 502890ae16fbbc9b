// Students whose vocabulary was cut: rows keep their values, ids follow, and the real transformers.js loads them.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { AutoTokenizer } from "@huggingface/transformers";
import { MagdiError } from "../../src/base/errors.ts";
import type { BaseTensor } from "../../src/student/base-model.ts";
import { openHuggingFaceBase } from "../../src/student/hugging-face-base.ts";
import { readManifest } from "../../src/student/manifest.ts";
import { openStudentFolder } from "../../src/student/open-student-folder.ts";
import { withSmallerVocabulary } from "../../src/student/smaller-vocabulary.ts";
import { openStudentBase } from "../../src/student/student-base.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { openTokenizer } from "../../src/text/tokenizer.ts";
import { magdi } from "../support/magdi-command.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { greedyTokens, openRunner, prefilled } from "../support/tiny-students.ts";
import { greedyInTransformersJs, openInTransformersJs } from "../support/transformers-js.ts";

const folder = scratchFolder();
const TEXTS = ["Natalia sold clips to 48 of her friends in April.", "The answer is 42."];
const PROMPTS = ["Think step by step."];
const vocabulary = { texts: TEXTS, prompts: PROMPTS };

const base = path.join(folder, "base");
writeRandomBase(base, {
  tokenizer: true,
  config: { bos_token_id: 1, pad_token_id: -1, tie_word_embeddings: false },
});
writeFileSync(
  path.join(base, "generation_config.json"),
  JSON.stringify({ eos_token_id: [2, 601], suppress_tokens: [0, 500], pad_token_id: null }),
);

/** The old id of each row of a cut base. */
function rowsOf(small: BaseTensor, whole: BaseTensor): number[] {
  const [rows = 0, columns = 0] = small.shape;
  const [a, b] = [small.readFloat32(), whole.readFloat32()];
  const row = (values: Float32Array, at: number) => values.subarray(at * columns, (at + 1) * columns).join();
  const known = new Map(Array.from({ length: whole.shape[0]! }, (_, at) => [row(b, at), at]));
  return Array.from({ length: rows }, (_, at) => known.get(row(a, at)) ?? -1);
}

test("rows keep their values, and ids follow in both configurations", async () => {
  const whole = openHuggingFaceBase(base);
  const { base: small, vocabulary: made } = await withSmallerVocabulary(whole, vocabulary);
  const rows = rowsOf(
    small.tensors.get("model.embed_tokens.weight")!,
    whole.tensors.get("model.embed_tokens.weight")!,
  );
  assert.deepEqual(rowsOf(small.tensors.get("lm_head.weight")!, whole.tensors.get("lm_head.weight")!), rows);
  assert.ok(!rows.includes(-1) && rows.every((row, at) => at === 0 || row > rows[at - 1]!));
  assert.equal(small.config.vocabSize, rows.length);
  assert.deepEqual(made, {
    tokens: rows.length,
    of: 640,
    textTokens: made.textTokens,
    keptTextTokens: made.textTokens,
  });
  assert.equal(small.configJson.vocab_size, rows.length);
  assert.equal(small.configJson.pad_token_id, -1);
  assert.deepEqual(small.generationConfig, {
    eos_token_id: [2, rows.indexOf(601)],
    suppress_tokens: [0],
    pad_token_id: null,
  });
  assert.equal(small.tensors.get("model.norm.weight"), whole.tensors.get("model.norm.weight"));
  small.close();
});

test("a quantised embedding keeps its own grid", async () => {
  const student = path.join(folder, "q4");
  await importStudent({ source: base, out: student, dtypes: ["q4"] });
  const whole = openStudentBase(student);
  const { base: small } = await withSmallerVocabulary(whole, vocabulary);
  for (const name of ["model.embed_tokens.weight", "lm_head.weight"]) {
    const rows = rowsOf(small.tensors.get(name)!, whole.tensors.get(name)!);
    const [cut, all] = [small.tensors.get(name)!.readGrid!(), whole.tensors.get(name)!.readGrid!()];
    assert.equal(cut.bits, all.bits);
    for (const [part, width] of [
      ["codes", 64],
      ["scales", 2],
      ["mins", 2],
    ] as const) {
      for (const [row, from] of rows.entries()) {
        assert.deepEqual(
          cut[part].subarray(row * width, (row + 1) * width),
          all[part].subarray(from * width, (from + 1) * width),
        );
      }
    }
  }
  whole.close();
});

test("logits are those of the kept tokens, and transformers.js loads tokenizer and model", async () => {
  const wholeFolder = path.join(folder, "whole");
  const smallFolder = path.join(folder, "small");
  await importStudent({ source: base, out: wholeFolder, dtypes: ["fp32"] });
  const manifest = await importStudent({ source: base, out: smallFolder, dtypes: ["fp32"], vocabulary });
  assert.deepEqual(readManifest(smallFolder).vocabulary, manifest.vocabulary);
  assert.match(
    readFileSync(path.join(smallFolder, "README.md"), "utf8"),
    /vocabulary cut from 640 to \d+ tokens/,
  );
  const [wholeText, smallText] = [await openTokenizer(wholeFolder), await openTokenizer(smallFolder)];
  const encode = (tokenizer: typeof wholeText) => tokenizer.encode(TEXTS[0]!, { addSpecialTokens: false });
  const [whole, small] = [openStudentFolder(wholeFolder, "fp32"), openStudentFolder(smallFolder, "fp32")];
  const [wholeRunner, smallRunner] = [await openRunner(whole), await openRunner(small)];
  const all = await prefilled(wholeRunner, encode(wholeText));
  const kept = await prefilled(smallRunner, encode(smallText));
  assert.equal(kept.length, manifest.vocabulary!.tokens);
  const opened = openHuggingFaceBase(base);
  const cut = await withSmallerVocabulary(opened, vocabulary);
  const rows = rowsOf(cut.base.tensors.get("lm_head.weight")!, opened.tensors.get("lm_head.weight")!);
  opened.close();
  for (const [id, logit] of kept.entries()) {
    assert.ok(Math.abs(logit - all[rows[id]!]!) < 1e-5, `token ${id}: ${logit}`);
  }
  const wanted = await greedyTokens(smallRunner, encode(smallText), 12);
  wholeRunner.close();
  smallRunner.close();
  const model = await openInTransformersJs(small);
  const found = await greedyInTransformersJs(model, encode(smallText), 12);
  await model.dispose();
  assert.deepEqual(found, wanted.slice(0, found.length));
  const tokenizer = await AutoTokenizer.from_pretrained("small", { local_files_only: true });
  assert.deepEqual(tokenizer.encode(TEXTS[0]!), [...encode(smallText)]);
});

test("ids without a row, and lists of ids that cannot be renumbered, are named", async () => {
  const refusal = async (name: string, config: Record<string, unknown>, generation: unknown = {}) => {
    const source = path.join(folder, name);
    writeRandomBase(source, { tokenizer: true, config });
    writeFileSync(path.join(source, "generation_config.json"), JSON.stringify(generation));
    const opened = openHuggingFaceBase(source);
    const found = await withSmallerVocabulary(opened, vocabulary).then(
      () => null,
      (error: unknown) => error,
    );
    opened.close();
    assert.ok(found instanceof MagdiError, String(found));
    return found.message;
  };
  assert.match(await refusal("few-rows", { vocab_size: 601 }), /found token 602 and 601 rows/);
  assert.match(await refusal("far-end", { eos_token_id: 9999 }), /found token 9999 and 640 rows/);
  assert.match(await refusal("bad-words", {}, { bad_words_ids: [[5]] }), /bad_words_ids names tokens/);
});

test("magdi import --vocabulary reads text and JSON, and says what it kept", async () => {
  const text = path.join(folder, "a.txt");
  const lines = path.join(folder, "b, c.jsonl");
  writeFileSync(text, TEXTS[0]!);
  writeFileSync(lines, `${JSON.stringify({ messages: [{ role: "user", content: TEXTS[1] }], n: 3 })}\n`);
  const run = (name: string, ...args: string[]) =>
    magdi("import", base, "--out", path.join(folder, name), "--dtype", "q8", "--no-measure", ...args);
  const made = await run("cli", "--vocabulary", text, "--vocabulary", lines, "--vocabulary-size", "420");
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /vocabulary cut from 640 to 420 tokens, which are 100\.00 % of those/);
  const small = await openTokenizer(path.join(folder, "cli"));
  const whole = await openTokenizer(base);
  for (const each of TEXTS) {
    const ids = [small, whole].map((one) =>
      [...one.encode(each, { addSpecialTokens: false })].map((id) => one.tokenText(id)),
    );
    assert.deepEqual(ids[0], ids[1]);
  }
  for (const [args, exit, pattern] of [
    [["--vocabulary-size", "420"], 2, /--vocabulary-size: expected --vocabulary TEXTS/],
    [["--vocabulary", path.join(folder, "none.txt")], 1, /expected a text file, found none/],
  ] as const) {
    const { code, stderr } = await run("refused", ...args);
    assert.equal(code, exit, stderr);
    assert.match(stderr, pattern);
  }
});
