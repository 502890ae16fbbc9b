// A student folder whose files are not those that were imported: paths out of it, files without a hash, altered bytes;
// found before they are used or while they are, on import, by magdi doctor and in evaluations.

import assert from "node:assert/strict";
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { openStudent } from "../../src/asking/student.ts";
import { MagdiError } from "../../src/base/errors.ts";
import { openEngineAsker } from "../../src/eval/engine-asker.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { buildApp } from "../../src/server/app.ts";
import { FileCheck, fingerprint } from "../../src/student/file-check.ts";
import { type Manifest, readManifest } from "../../src/student/manifest.ts";
import { openStudentFolder, servedFiles } from "../../src/student/open-student-folder.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { magdi } from "../support/magdi-command.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const scratch = scratchFolder();
const imported = path.join(scratch, "imported");
const DATA = "onnx/model_q4.onnx_data";
const ENGINE = "onnx/engine_q4.onnx";

before(async () => {
  const base = path.join(scratch, "base");
  cpSync(fixture("tiny-llama/base"), base, { recursive: true });
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) {
    cpSync(fixture("tokenizers/byte-level", name), path.join(base, name));
  }
  await importStudent({ source: base, out: imported, dtypes: ["q4"] });
});

function student(): string {
  const copy = mkdtempSync(path.join(scratch, "student-"));
  cpSync(imported, copy, { recursive: true });
  return copy;
}

/** Changes one bit of a file, and not its size. */
function alter(folder: string, name: string): void {
  const file = path.join(folder, name);
  const bytes = readFileSync(file);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(file, bytes);
}

function rewrite(folder: string, change: (manifest: Manifest) => unknown): void {
  const file = path.join(folder, "student.json");
  const manifest = JSON.parse(readFileSync(file, "utf8")) as Manifest; // as the import wrote it
  writeFileSync(file, JSON.stringify(change(manifest)));
}

function refused(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof MagdiError, String(error));
    assert.equal(error.code, "MAGDI_BAD_FILE");
    assert.match(error.message, pattern);
    return true;
  };
}

test("a manifest's paths stay inside the folder", () => {
  for (const engine of [
    "../x",
    "/etc/passwd",
    "onnx/../../x",
    "./x",
    "onnx//x",
    "",
    "..",
    "C:/x",
    "onnx\\..\\x",
    "x\0y",
  ]) {
    const folder = student();
    rewrite(folder, (manifest) => {
      const q4 = manifest.dtypes.q4!;
      return { ...manifest, dtypes: { q4: { ...q4, engine } } };
    });
    assert.throws(
      () => openStudentFolder(folder),
      refused(/dtypes\.q4\.engine: expected a path inside the folder/),
      engine,
    );
    const data = student();
    rewrite(data, (manifest) => ({
      ...manifest,
      dtypes: { q4: { ...manifest.dtypes.q4!, data: [engine] } },
    }));
    assert.throws(() => openStudentFolder(data), refused(/data\.0: expected a path inside/), engine);
    const files = student();
    rewrite(files, (manifest) => ({
      ...manifest,
      files: { ...manifest.files, [engine]: { bytes: 1, sha256: "0".repeat(64) } },
    }));
    assert.throws(() => readManifest(files), refused(/student\.json: /), engine);
  }
});

test("a name with control characters is refused, so that no terminal obeys it", () => {
  for (const name of ["\u001b[2J", "a\nb", "a\u2028b", "x".repeat(201), ""]) {
    const folder = student();
    rewrite(folder, (manifest) => ({ ...manifest, name }));
    assert.throws(() => readManifest(folder), refused(/student\.json: name: /), JSON.stringify(name));
  }
});

test("a student in a format that is gone is refused with how to make it anew, and of several formats the others are kept", () => {
  const int8 = {
    engine: "onnx/engine_int8.onnx",
    model: "onnx/model_int8.onnx",
    data: [],
    weights: {},
    quality: null,
  };
  const only = student();
  rewrite(only, (manifest) => ({ ...manifest, base: "some/base", dtypes: { int8 } }));
  for (const open of [readManifest, openStudentFolder]) {
    assert.throws(
      () => open(only),
      (error) => {
        assert.ok(error instanceof MagdiError && error.code === "MAGDI_UNSUPPORTED", String(error));
        assert.match(
          error.message,
          /in int8, a format of earlier .* anew from "some\/base": magdi import SOURCE/,
        );
        return true;
      },
    );
  }
  const both = student();
  const times = { promptMs: 1, stepMs: 1, tenRowStepMs: 1, agreement: 1, perplexity: 1 };
  rewrite(both, (manifest) => ({
    ...manifest,
    choice: { dtype: "q4", reason: "the fastest", measured: [{ dtype: "int8", ...times }] },
    dtypes: { int8, ...manifest.dtypes },
  }));
  assert.deepEqual(Object.keys(readManifest(both).dtypes), ["q4"]);
  assert.equal(openStudentFolder(both).dtype, "q4");
});

test("every file that is used has a hash", async () => {
  for (const name of [DATA, ENGINE, "config.json", "tokenizer.json"]) {
    const folder = student();
    rewrite(folder, ({ files: { [name]: _, ...files }, ...manifest }) => ({ ...manifest, files }));
    assert.throws(
      () => readManifest(folder),
      refused(new RegExp(`found no ${name.replaceAll(".", "\\.")}`)),
      name,
    );
  }
  const added = student();
  writeFileSync(path.join(added, "chat_template.jinja"), "{{ 1 }}");
  assert.throws(() => readManifest(added), refused(/found no chat_template\.jinja/));
});

test("files of another size and links out of the folder are found at once", () => {
  const longer = student();
  appendFileSync(path.join(longer, DATA), "x");
  assert.throws(() => readManifest(longer), refused(/model_q4\.onnx_data: expected \d+ bytes, found \d+/));
  const linked = student();
  const moved = path.join(scratch, "moved");
  cpSync(path.join(linked, DATA), moved);
  unlinkSync(path.join(linked, DATA));
  symlinkSync(moved, path.join(linked, DATA));
  assert.throws(() => readManifest(linked), refused(/expected a file inside .*found a link to .*moved/));
});

test("altered files are refused before they are used", async () => {
  for (const name of [DATA, ENGINE, "config.json", "tokenizer.json", "generation_config.json"]) {
    const folder = student();
    alter(folder, name);
    await assert.rejects(
      openStudent(folder, { batchRows: 2 }),
      // A changed configuration may also say what cannot be, which is found first.
      refused(new RegExp(`${name.replaceAll(".", "\\.")}: .*expected`)),
      name,
    );
  }
});

test("what is not served is not checked at load; magdi doctor --student names it all", async () => {
  const folder = student();
  alter(folder, "README.md");
  alter(folder, "onnx/model_q4.onnx");
  const opened = await openStudent(folder, { batchRows: 2 });
  await opened.filesChecked;
  assert.deepEqual(opened.files.pending, []);
  assert.deepEqual([...opened.files.checked].sort(), servedFiles(openStudentFolder(folder)).sort());
  await opened.close();
  const sound = await magdi("doctor", "--student", imported, "--device", "cpu");
  assert.equal(sound.code, 0, sound.stdout);
  assert.match(sound.stdout, /\d+ have their hashes/);
  const altered = await magdi("doctor", "--student", folder, "--device", "cpu", "--json");
  assert.equal(altered.code, 1);
  const { serves, checks } = JSON.parse(altered.stdout);
  const check = checks.find(({ name }: { name: string }) => name === "the student's files");
  assert.equal(serves, false);
  assert.match(
    check.found,
    /README\.md: expected the SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}; onnx\/model_q4\.onnx: /,
  );
});

test("what is altered and large is found while it serves: requests fail, and nothing is restarted for it", async () => {
  const folder = student();
  alter(folder, DATA);
  const opened = await openStudent(folder, { batchRows: 2, hashedFirstBytes: 0 });
  const lines: string[] = [];
  const app = buildApp({
    student: opened,
    logging: { level: "info", stream: { write: (line: string) => void lines.push(line) } },
  });
  await app.ready();
  await assert.rejects(opened.filesChecked, refused(/model_q4\.onnx_data: expected the SHA-256/));
  await new Promise(setImmediate);
  const status = async (url: string) => (await app.inject(url)).statusCode;
  assert.deepEqual([await status("/ready"), await status("/health")], [503, 200]);
  const answer = await app.inject({
    method: "POST",
    url: "/v1/completions",
    payload: { model: opened.id, prompt: "a", max_tokens: 1 },
  });
  assert.equal(answer.statusCode, 503, answer.body);
  assert.equal(answer.json().error.code, "engine_failed");
  assert.doesNotMatch(answer.body, /sha-?256|onnx/i);
  const [{ checked_files: checked }] = (await app.inject("/v1/models")).json().data;
  assert.ok(!checked.includes(DATA));
  const log = lines.map((line) => JSON.parse(line));
  assert.ok(log.some(({ msg, files }) => /while requests are answered/.test(msg) && files.includes(DATA)));
  assert.equal(log.filter(({ level, msg }) => level === 60 && /were altered/.test(msg)).length, 1);
  assert.throws(() => opened.generate({ prompt: "a" }), /not those that were imported/);
  await app.close();
});

test("a sound student is checked while it serves, and says so", async () => {
  const opened = await openStudent(imported, { batchRows: 2, hashedFirstBytes: 0 });
  assert.ok(opened.files.pending.includes(DATA));
  await opened.filesChecked;
  assert.deepEqual(opened.files.pending, []);
  await opened.close();
  // Closed meanwhile: neither a failure nor a claim.
  const closed = await openStudent(imported, { batchRows: 2, hashedFirstBytes: 0 });
  await closed.close();
  await closed.filesChecked;
  assert.ok(closed.files.pending.length > 0);
});

test("a student that was altered is not imported from", async () => {
  const folder = student();
  alter(folder, DATA);
  const out = path.join(scratch, "again");
  await assert.rejects(
    importStudent({ source: folder, out, dtypes: ["q8"] }),
    refused(/model_q4\.onnx_data: expected the/),
  );
});

test("a report's hashes are those that were compared", async () => {
  const settings = { samples: 1 } as never; // openEngineAsker reads no other
  const options = {
    folder: imported,
    device: "cpu",
    dtype: null,
    threads: 1,
    batchRows: 2,
    contextLength: null,
  } as const;
  const asker = await openEngineAsker(options, settings);
  const names = servedFiles(openStudentFolder(imported)).sort();
  assert.deepEqual(Object.keys(asker.model.files ?? {}), names);
  for (const [name, hash] of Object.entries(asker.model.files ?? {})) {
    assert.equal(hash, (await fingerprint(path.join(imported, name))).sha256);
  }
  await asker.close();
  const folder = student();
  alter(folder, DATA);
  await assert.rejects(openEngineAsker({ ...options, folder }, settings), refused(/expected the SHA-256/));
});

test("a graph whose weights lie in a file without a hash is found by a whole check", async () => {
  const folder = student();
  const graph = path.join(folder, ENGINE);
  const { graph: own, ...model } = decodeModel(readFileSync(graph));
  const [[name, tensor]] = [...own.initializers].filter(([, { data }]) => data.kind === "external") as [
    [string, never],
  ];
  const elsewhere = {
    ...(tensor as object),
    data: { ...(tensor as { data: object }).data, location: "other.bin" },
  };
  writeFileSync(
    graph,
    encodeModel({
      ...model,
      graph: { ...own, initializers: new Map([...own.initializers, [name, elsewhere as never]]) },
    }),
  );
  const stated = await fingerprint(graph);
  rewrite(folder, (manifest) => ({ ...manifest, files: { ...manifest.files, [ENGINE]: stated } }));
  const check = new FileCheck(folder, readManifest(folder));
  await assert.rejects(
    check.all(),
    refused(/expected weights in files that student\.json lists, found "onnx\/other\.bin"/),
  );
});
