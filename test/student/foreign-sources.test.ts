// Sources of an import that are not what they seem: links out of the folder, pipes, devices, sparse files, in place of
// each file that is read; and the hub cache's links, which go on working.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { openBase } from "../../src/student/open-base.ts";
import { openChatTemplate } from "../../src/text/chat-template.ts";
import { readPeftAdapter } from "../../src/train/adapter/peft-adapter.ts";
import { loadBaselines } from "../../src/voting/baselines.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const skip = process.platform === "win32" && "there are no named pipes";
const scratch = scratchFolder();
const BASE = fixture("tiny-llama/base");
const SHARDED = fixture("families/tiny-llama-linear/base");

function copyOf(folder: string): string {
  const copy = mkdtempSync(path.join(scratch, "copy-"));
  cpSync(folder, copy, { recursive: true });
  return copy;
}

function message(open: () => unknown): string {
  try {
    open();
  } catch (error) {
    assert.ok(error instanceof MagdiError, String(error));
    assert.equal(error.code, "MAGDI_BAD_FILE");
    return error.message;
  }
  return "opened";
}

/** What may lie in a file's place, and what is said of it. */
const PLACED: readonly (readonly [RegExp, (file: string) => void])[] = [
  [/found a named pipe/, (file) => assert.equal(spawnSync("mkfifo", [file]).status, 0)],
  [/found a link to .*elsewhere/, (file) => symlinkSync(path.join(scratch, "elsewhere"), file)],
  [/found a link to .*elsewhere/, (file) => symlinkSync("../elsewhere", file)],
  [/found a device/, (file) => symlinkSync("/dev/zero", file)],
  [/found a folder/, (file) => mkdirSync(file)],
];

test("each file of a folder is refused by name when it is a pipe, a device, a folder or a link out of it", {
  skip,
}, () => {
  writeFileSync(path.join(scratch, "elsewhere"), "{}");
  const shard = readdirSync(SHARDED).find((name) => /-of-.*\.safetensors$/.test(name))!;
  for (const [source, name] of [
    [BASE, "config.json"],
    [BASE, "model.safetensors"],
    [BASE, "generation_config.json"],
    [BASE, "tokenizer.json"],
    [BASE, "tokenizer_config.json"],
    [BASE, "special_tokens_map.json"],
    [BASE, "added_tokens.json"],
    [BASE, "chat_template.jinja"],
    [SHARDED, "model.safetensors.index.json"],
    [SHARDED, shard],
  ] as const) {
    for (const [said, place] of PLACED) {
      const copy = copyOf(source);
      const file = path.join(copy, name);
      rmSync(file, { force: true });
      place(file);
      const found = message(() => openBase(copy).close());
      assert.match(found, said, name);
      assert.ok(found.startsWith(`${file}: expected `), found);
    }
  }
});

test("a text of a terabyte is refused by its size; weights are read where the header says", () => {
  const copy = copyOf(BASE);
  writeFileSync(path.join(copy, "tokenizer.json"), "");
  truncateSync(path.join(copy, "tokenizer.json"), 2 ** 40);
  assert.match(
    message(() => openBase(copy)),
    /tokenizer\.json: expected at most 67108864 bytes, found 1099511627776/,
  );
  const sparse = copyOf(BASE);
  writeFileSync(path.join(sparse, "model.safetensors"), "");
  truncateSync(path.join(sparse, "model.safetensors"), 2 ** 40);
  assert.match(
    message(() => openBase(sparse)),
    /model\.safetensors: /,
  );
});

test("a folder of the hub's cache is read through its links to blobs", { skip }, () => {
  const repository = path.join(scratch, "models--tiny--llama");
  const snapshot = path.join(repository, "snapshots", "c0ffee");
  mkdirSync(snapshot, { recursive: true });
  cpSync(SHARDED, path.join(repository, "blobs"), { recursive: true });
  for (const name of readdirSync(SHARDED)) {
    renameSync(path.join(repository, "blobs", name), path.join(repository, "blobs", `blob-${name}`));
    symlinkSync(`../../blobs/blob-${name}`, path.join(snapshot, name));
  }
  const linked = openBase(snapshot);
  const plain = openBase(SHARDED);
  assert.deepEqual([...linked.tensors.keys()], [...plain.tensors.keys()]);
  const [name] = plain.tensors.keys();
  assert.deepEqual(linked.tensors.get(name!)?.readFloat32(), plain.tensors.get(name!)?.readFloat32());
  linked.close();
  plain.close();
});

test("a GGUF file, an adapter, a chat template and baselines are regular files too", { skip }, async () => {
  const pipe = path.join(scratch, "model.gguf");
  assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
  assert.match(
    message(() => openBase(pipe)),
    /model\.gguf: expected a regular file, found a named pipe/,
  );
  assert.match(
    message(() => openBase("/dev/zero")),
    /expected a regular file, found a device/,
  );
  assert.match(
    message(() => loadBaselines(pipe)),
    /found a named pipe/,
  );
  const link = path.join(scratch, "named.gguf");
  symlinkSync(fixture("tiny-llama.gguf"), link);
  openBase(link).close(); // its user named it
  const adapter = path.join(scratch, "adapter");
  mkdirSync(adapter);
  symlinkSync("../elsewhere", path.join(adapter, "adapter_config.json"));
  const base = openBase(BASE);
  assert.match(
    message(() => readPeftAdapter(adapter, base.config)),
    /adapter_config\.json: expected a file inside/,
  );
  base.close();
  const folder = path.join(scratch, "template");
  mkdirSync(folder);
  symlinkSync("../elsewhere", path.join(folder, "chat_template.jinja"));
  await assert.rejects(openChatTemplate(folder), /chat_template\.jinja: expected a file inside/);
});
