// Tokens that the embedding has no row for: named at import, and kept from every text that a model is given.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { checkEndTokens, endTokens } from "../../src/student/end-tokens.ts";
import { openGgufBase } from "../../src/student/gguf-base.ts";
import { openHuggingFaceBase } from "../../src/student/hugging-face-base.ts";
import { openStudentFolder } from "../../src/student/open-student-folder.ts";
import { checkTexts } from "../../src/student/text-check.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";
import { ARRAY, STRING, tinyGguf } from "../support/tiny-gguf.ts";
import { text, u32, u64 } from "../tensor/support/gguf-bytes.ts";

const scratch = scratchFolder();

/** The tokenizer has 603 tokens, <tool> (602) the last. */
function written(
  name: string,
  config: object,
  files: Readonly<Record<string, object | string>> = {},
): string {
  const folder = path.join(scratch, name);
  writeRandomBase(folder, { tokenizer: true, config: { ...config } });
  for (const [file, content] of Object.entries(files)) {
    writeFileSync(path.join(folder, file), typeof content === "string" ? content : JSON.stringify(content));
  }
  return folder;
}

async function textNotes(folder: string): Promise<readonly string[]> {
  const base = openHuggingFaceBase(folder);
  try {
    return await checkTexts(base);
  } finally {
    base.close();
  }
}

const refused = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MagdiError, String(error));
  assert.equal(error.code, "MAGDI_BAD_FILE");
  assert.match(error.message, pattern);
  return true;
};

test("tokens without a row are noted, and an import computes without them", async () => {
  assert.deepEqual(await textNotes(written("whole", { vocab_size: 603 })), []);
  assert.match(
    (await textNotes(written("short", { vocab_size: 600 }))).join(),
    /which has 600: "안녕하세" \(600\), "안녕하세요" \(601\), "<tool>" \(602\); texts/,
  );
  // Every text that is calibrated with has tokens from 280 on.
  const source = written("shorter", { vocab_size: 280 });
  const out = path.join(scratch, "student");
  const { notes } = await importStudent({ source, out, dtypes: ["q4", "q8"], threads: 1 });
  assert.match(String(notes), /which has 280: .* and 318 more; texts/);
  const again = path.join(scratch, "again");
  assert.deepEqual(
    (await importStudent({ source: out, out: again, dtypes: ["q4"], threads: 1 })).notes,
    notes,
  );
});

test("a template and a post-processor that write a token without a row are refused with the token", async () => {
  const template = "<tool>{% for m in messages %}{{ m.content }}{% endfor %}";
  await assert.rejects(
    textNotes(written("template", { vocab_size: 602 }, { "chat_template.jinja": template })),
    refused(
      /template: expected a row .* has 602, .* found none for "<tool>" \(602\), which its chat template writes/,
    ),
  );
  const closing =
    "{% for m in messages %}{{ m.role }}{{ m.content }}{% if m.role == 'assistant' %}<tool>{% endif %}{% endfor %}";
  await assert.rejects(
    textNotes(written("closing", { vocab_size: 602 }, { "chat_template.jinja": closing })),
    refused(/"<tool>" \(602\), which its chat template writes/),
  );
  const tokenizer = JSON.parse(readFileSync(fixture("tokenizers/byte-level/tokenizer.json"), "utf8"));
  const special = { id: "<tool>", ids: [602], tokens: ["<tool>"] };
  tokenizer.post_processor = {
    type: "TemplateProcessing",
    single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "<tool>", type_id: 0 } }],
    pair: [],
    special_tokens: { "<tool>": special },
  };
  await assert.rejects(
    textNotes(written("behind", { vocab_size: 602 }, { "tokenizer.json": tokenizer })),
    refused(/"<tool>" \(602\), which its tokenizer puts around texts/),
  );
  const unknown = { ...tokenizer, post_processor: null, model: { ...tokenizer.model, new_rule: true } };
  assert.match(
    (await textNotes(written("unknown", {}, { "tokenizer.json": unknown }))).join(),
    /^tokenizer\.json has fields that are not known here and were not read, though they may matter: model\.new_rule\.$/,
  );
  // A template that only repeats what it is told writes none.
  const plain = "{% for m in messages %}{{ m.content }}{% endfor %}";
  assert.equal(
    (await textNotes(written("plain", { vocab_size: 280 }, { "chat_template.jinja": plain }))).length,
    1,
  );
});

test("end tokens are ids below the rows, of generation_config.json before config.json", async () => {
  const ends = (config: unknown, generation?: unknown) => {
    const base = {
      source: "base",
      config: { vocabSize: 608 },
      configJson: { eos_token_id: config },
      generationConfig: { eos_token_id: generation },
    } as unknown as Parameters<typeof checkEndTokens>[0]; // the fields that it reads
    const notes = checkEndTokens(base);
    return [[...endTokens(base.generationConfig, base.configJson, 608)], notes.length];
  };
  assert.deepEqual(ends(2), [[2], 0]);
  assert.deepEqual(ends(2, [5, 6]), [[5, 6], 0]);
  assert.deepEqual(ends(2, null), [[2], 0]);
  assert.deepEqual(ends(undefined), [[], 0]);
  assert.deepEqual(ends([2, 608]), [[2], 1]);
  assert.deepEqual(ends(99999, 2), [[2], 1]);
  assert.deepEqual(ends(-1), [[], 0]);
  for (const [config, generation, pattern] of [
    [99999, undefined, /^base: config\.json: eos_token_id: expected ids below 608, .* found 99999: answers/],
    [2, [608, 700], /^base: generation_config\.json: .* found 608, 700/],
    ["2", undefined, /config\.json: eos_token_id: expected token ids, found "2"/],
    [[2, 1.5], undefined, /expected token ids, found 1\.5/],
  ] as const) {
    assert.throws(() => ends(config, generation), refused(pattern));
  }
  const source = written("ends", {}, { "generation_config.json": { eos_token_id: [2, 640] } });
  const out = path.join(scratch, "ends-student");
  const { notes } = await importStudent({ source, out, dtypes: ["fp32"] });
  assert.deepEqual(notes, [
    "generation_config.json: eos_token_id 640 is beyond the 640 rows of the embedding and never said.",
  ]);
  assert.deepEqual([...openStudentFolder(out).endTokenIds], [2]);
});

test("a GGUF file with more tokens than rows says so", () => {
  const config = JSON.parse(readFileSync(fixture("tiny-llama/base/config.json"), "utf8"));
  const tokens = Array.from({ length: 162 }, (_, id) => `t${id}`);
  const list = Buffer.concat([u32(STRING), u64(tokens.length), ...tokens.map(text)]);
  const file = path.join(scratch, "more.gguf");
  const metadata = [
    ["tokenizer.ggml.tokens", ARRAY, list] as const,
    ["tokenizer.ggml.model", STRING, text("gpt2")] as const,
    ["llama.new_scale", STRING, text("1.5")] as const,
  ];
  writeFileSync(file, tinyGguf(config, fixture("tiny-llama/base/model.safetensors"), { metadata }));
  const base = openGgufBase(file);
  assert.deepEqual(base.notes, [
    "The GGUF file has fields that are not known here and were not read, though they may matter: llama.new_scale.",
    'The GGUF file has 162 tokens and an embedding of 160 rows; those from "t160" (160) on cannot be used.',
  ]);
  base.close();
});
