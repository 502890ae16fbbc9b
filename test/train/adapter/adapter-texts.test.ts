// An adapter's folder with a tokenizer, template and generation_config.json of its own, and a base that it was not made for.

import assert from "node:assert/strict";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { BaseModel } from "../../../src/student/base-model.ts";
import { openHuggingFaceBase } from "../../../src/student/hugging-face-base.ts";
import { withAdapterTexts } from "../../../src/train/adapter/adapter-texts.ts";
import { type ExportOptions, exportStudent } from "../../../src/train/adapter/export-student.ts";
import { baseOfAdapter, otherBaseNote } from "../../../src/train/adapter/locate-adapter.ts";
import { PeftConfig } from "../../../src/train/adapter/peft-config.ts";
import { writeRandomAdapter } from "../../support/random-adapter.ts";
import { writeRandomBase } from "../../support/random-base.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const scratch = scratchFolder();
const base = path.join(scratch, "base");
const config = writeRandomBase(base, { tokenizer: true });
writeFileSync(path.join(base, "generation_config.json"), '{"eos_token_id": 2, "bos_token_id": 1}');
const BASE_TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";
setConfig(base, { chat_template: BASE_TEMPLATE, eos_token: "<|im_end|>" });
const TEMPLATE = "{% for m in messages %}[{{ m['role']|upper }}] {{ m['content'] }}{% endfor %}";

function setConfig(folder: string, values: Readonly<Record<string, unknown>>): void {
  const file = path.join(folder, "tokenizer_config.json");
  const before = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...before, ...values }));
}

/** An adapter's folder; `files` are the tokenizer files of the base that it has too. */
function adapterWith(
  name: string,
  files: readonly string[],
  values: Readonly<Record<string, unknown>> = {},
): string {
  const folder = path.join(scratch, name);
  mkdirSync(folder);
  writeRandomAdapter(folder, config, { config: { base_model_name_or_path: "someone/base", ...values } });
  for (const file of files) cpSync(path.join(base, file), path.join(folder, file));
  return folder;
}

const TOKENIZER = ["tokenizer.json", "tokenizer_config.json"];

function opened(adapter: string): BaseModel {
  const model = withAdapterTexts(openHuggingFaceBase(base), adapter);
  model.close();
  return model;
}

const templateOf = ({ textFiles }: BaseModel): unknown =>
  JSON.parse(textFiles.get("tokenizer_config.json") ?? "{}").chat_template;

test("without texts of its own an adapter has the base's, and nothing is said", () => {
  const { textFiles, generationConfig, notes } = opened(adapterWith("plain", []));
  assert.deepEqual(textFiles, openHuggingFaceBase(base).textFiles);
  assert.deepEqual(generationConfig, { eos_token_id: 2, bos_token_id: 1 });
  assert.deepEqual(notes, []);
  const same = opened(adapterWith("same", TOKENIZER));
  assert.deepEqual([same.notes, templateOf(same)], [[], BASE_TEMPLATE]);
});

test("its tokenizer, template and generation_config.json take the base's place, and that is said", () => {
  const folder = adapterWith("own", TOKENIZER);
  setConfig(folder, { chat_template: TEMPLATE });
  const tokenizer = JSON.parse(readFileSync(path.join(folder, "tokenizer.json"), "utf8"));
  const { added_tokens: added } = tokenizer;
  const token = { ...added[0], id: 639, content: "<tool>", special: true };
  writeFileSync(
    path.join(folder, "tokenizer.json"),
    JSON.stringify({ ...tokenizer, added_tokens: [...added, token] }),
  );
  writeFileSync(path.join(folder, "generation_config.json"), '{"eos_token_id": [639, 2]}');
  const model = opened(folder);
  assert.equal(templateOf(model), TEMPLATE);
  assert.match(model.textFiles.get("tokenizer.json") ?? "", /<tool>/);
  assert.deepEqual(model.generationConfig, { eos_token_id: [639, 2] });
  assert.deepEqual(model.notes, [
    "The adapter's own tokenizer and chat template and generation_config.json took the base's place.",
  ]);
});

test("its template in a file of its own wins over tokenizer_config.json, also where the tokenizer is the base's", () => {
  const folder = adapterWith("jinja", TOKENIZER);
  setConfig(folder, { chat_template: "not this" });
  writeFileSync(path.join(folder, "chat_template.jinja"), TEMPLATE);
  assert.equal(templateOf(opened(folder)), TEMPLATE);
  const alone = adapterWith("jinja-alone", []);
  writeFileSync(path.join(alone, "chat_template.jinja"), TEMPLATE);
  const model = opened(alone);
  assert.equal(templateOf(model), TEMPLATE);
  assert.equal(model.textFiles.get("chat_template.jinja"), TEMPLATE);
  assert.equal(
    model.textFiles.get("tokenizer.json"),
    openHuggingFaceBase(base).textFiles.get("tokenizer.json"),
  );
  assert.deepEqual(model.notes, ["The adapter's own chat template took the base's place."]);
});

test("a tokenizer without a template, or with an end that nothing ends with, is said", () => {
  const folder = adapterWith("no-template", TOKENIZER);
  setConfig(folder, { chat_template: undefined, eos_token: { content: "<|im_start|>" } });
  const { notes = [] } = opened(folder);
  assert.match(notes.join("\n"), /own chat template took/);
  assert.match(notes.join("\n"), /has no chat template, so prompts are plain text/);
  assert.match(
    notes.join("\n"),
    /ends texts with <\|im_start\|> \(\d+\), which is not among the eos_token_id/,
  );
});

test("a tokenizer that is not a tokenizer.json is refused by name", () => {
  const folder = adapterWith("slow", ["tokenizer_config.json"]);
  writeFileSync(path.join(folder, "tokenizer.model"), "");
  assert.throws(() => opened(folder), {
    code: "MAGDI_UNSUPPORTED",
    message: /own \(tokenizer\.model, tokenizer_config\.json\) and no tokenizer\.json/,
  });
  rmSync(path.join(folder, "tokenizer.model"));
  assert.throws(() => opened(folder), { code: "MAGDI_UNSUPPORTED" });
});

test("the student has them, and its card says so and that the base is another", async () => {
  const folder = adapterWith("exported", TOKENIZER, { base_model_name_or_path: "tiny", new_thing: 3 });
  setConfig(folder, { chat_template: TEMPLATE });
  writeFileSync(path.join(folder, "generation_config.json"), '{"eos_token_id": 5}');
  const out = path.join(scratch, "student");
  const options: ExportOptions = { base, adapter: folder, out, dtypes: ["fp32"] };
  const { notes = [] } = await exportStudent(options);
  assert.equal(notes.length, 3);
  assert.match(notes[0]!, /own chat template and generation_config\.json took the base's place/);
  assert.match(notes[1]!, /a field that is not known, new_thing: 3/);
  assert.match(notes[2]!, /was made for "tiny", as its configuration says, and has here the base "base"/);
  const card = readFileSync(path.join(out, "README.md"), "utf8");
  assert.match(card, /- The adapter was made for "tiny"/);
  assert.ok(!card.includes(scratch), "no path of this machine");
  assert.equal(readFileSync(path.join(out, "generation_config.json"), "utf8").includes("5"), true);
  assert.match(readFileSync(path.join(out, "tokenizer_config.json"), "utf8"), /upper/);
});

test("a base is the adapter's by its name: whole hub ids, or the last part of a path", () => {
  const note = (made: string, source: string, stated?: string, revision?: string) =>
    otherBaseNote(
      new PeftConfig("c", {
        peft_type: "LORA",
        base_model_name_or_path: made,
        ...(revision === undefined ? {} : { revision }),
      }),
      source,
      stated,
    );
  for (const [made, source, stated] of [
    ["Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B"],
    ["Qwen/Qwen2.5-0.5B", "qwen/qwen2.5-0.5b@main"],
    ["Qwen/Qwen2.5-0.5B", "/models/Qwen2.5-0.5B/"],
    ["/root/.cache/models--Qwen--Qwen2.5-0.5B/snapshots/0123abc", "Qwen/Qwen2.5-0.5B"],
    ["../base", base],
    ["someone/base", base],
    ["Qwen/Qwen2.5-0.5B", "/models/mine", "Qwen/Qwen2.5-0.5B"],
  ] as const) {
    assert.equal(note(made, source, stated), null, `${made}, ${source}`);
  }
  for (const [made, source] of [
    ["Qwen/Qwen2.5-0.5B", "other/Qwen2.5-0.5B"],
    ["Qwen/Qwen2.5-0.5B", "/models/Qwen2.5-0.5B-Instruct"],
    ["unsloth/qwen2.5-0.5b-bnb-4bit", "Qwen/Qwen2.5-0.5B"],
  ] as const) {
    assert.match(note(made, source) ?? "", /^The adapter was made for /, `${made}, ${source}`);
  }
  assert.match(note("a/b", "a/b@main", undefined, "v2") ?? "", /for "a\/b", revision "v2"/);
  assert.equal(note("a/b", "a/b@v2", undefined, "v2"), null);
});

test("without a base named, the adapter's own is taken", async () => {
  const folder = adapterWith("names-base", [], { base_model_name_or_path: base });
  assert.equal(baseOfAdapter(folder), base);
  const out = path.join(scratch, "of-its-base");
  const manifest = await exportStudent({ adapter: folder, out, dtypes: ["fp32"] });
  assert.equal(manifest.base, "base");
  assert.equal(manifest.notes, undefined);
  const hub = adapterWith("names-hub", [], { base_model_name_or_path: "a/b", revision: "v2" });
  assert.equal(baseOfAdapter(hub), "a/b@v2");
  for (const [name, message] of [
    [null, /names none: pass --base/],
    ["tiny", /names tiny, which is neither here nor a hub id/],
  ] as const) {
    const none = adapterWith(`names-${name}`, [], { base_model_name_or_path: name });
    assert.throws(() => baseOfAdapter(none), { code: "MAGDI_BAD_CONFIG", message });
  }
});
