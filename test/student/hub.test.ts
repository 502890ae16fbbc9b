// Downloads from a hub: a real HTTP server that redirects weights to a second origin, as hubs do, and fails on demand.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { MagdiError } from "../../src/base/errors.ts";
import { downloadAdapter, downloadFromHub, type HubOptions, parseHubId } from "../../src/student/hub.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { locateAdapter } from "../../src/train/adapter/locate-adapter.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FIXTURES = path.join(ROOT, "test/fixtures");
const SINGLE = path.join(FIXTURES, "tiny-llama/base");
const SHARDED = path.join(FIXTURES, "families/tiny-llama-linear/base");
const REPOSITORY = "tiny/llama";
const COMMIT = "0123456789abcdef0123456789abcdef01234567";

interface Request {
  readonly origin: "hub" | "storage";
  readonly method: string;
  /** The file's name in the repository. */
  readonly file: string;
  readonly revision: string;
  readonly range: string | null;
  readonly authorization: string | null;
}

/** Answers in the hub's place when it returns true. */
type Fault = (request: Request, response: ServerResponse, bytes: Buffer) => boolean;

class TestHub {
  readonly files = new Map<string, Buffer>();
  readonly requests: Request[] = [];
  commit = COMMIT;
  fault: Fault = () => false;
  readonly #hub: Server;
  readonly #storage: Server;

  private constructor() {
    this.#hub = createServer((request, response) => this.#answerHub(request, response));
    this.#storage = createServer((request, response) => {
      const [, revision = "", file = ""] = (request.url ?? "").split("/").map(decodeURIComponent);
      this.#send("storage", request, response, revision, file);
    });
  }

  /** Serves a folder's files as the repository tiny/llama. */
  static async start(t: TestContext, folder: string): Promise<TestHub> {
    const hub = new TestHub();
    for (const name of readdirSync(folder)) hub.files.set(name, readFileSync(path.join(folder, name)));
    for (const server of [hub.#hub, hub.#storage]) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
    }
    t.after(() => hub.stop());
    return hub;
  }

  get endpoint(): string {
    return address(this.#hub);
  }

  stop(): void {
    for (const server of [this.#hub, this.#storage]) {
      server.close();
      server.closeAllConnections();
    }
  }

  gets(file: string): Request[] {
    return this.requests.filter((request) => request.method === "GET" && request.file === file);
  }

  #answerHub(request: IncomingMessage, response: ServerResponse): void {
    const [, owner, name, , revision = "", ...rest] = (request.url ?? "").split("/").map(decodeURIComponent);
    const file = rest.join("/");
    if (`${owner}/${name}` !== REPOSITORY) {
      response.writeHead(404, { "x-error-code": "RepoNotFound" }).end("Repository not found");
      return;
    }
    this.#send("hub", request, response, revision, file);
  }

  #send(
    origin: "hub" | "storage",
    message: IncomingMessage,
    response: ServerResponse,
    revision: string,
    file: string,
  ): void {
    const request: Request = {
      origin,
      method: message.method ?? "",
      file,
      revision,
      range: message.headers.range ?? null,
      authorization: message.headers.authorization ?? null,
    };
    this.requests.push(request);
    const bytes = this.files.get(file) ?? Buffer.alloc(0);
    if (this.fault(request, response, bytes)) return;
    if (!this.files.has(file)) {
      response.writeHead(404, { "x-error-code": "EntryNotFound" }).end("Entry not found");
      return;
    }
    response.setHeader("x-repo-commit", this.commit);
    if (origin === "hub" && /\.(safetensors|gguf)$/.test(file)) {
      response.setHeader("x-linked-etag", `"${createHash("sha256").update(bytes).digest("hex")}"`);
      response.setHeader("x-linked-size", bytes.length);
      const location = `${address(this.#storage)}/${encodeURIComponent(revision)}/${encodeURIComponent(file)}`;
      response.writeHead(302, { location }).end("Found");
      return;
    }
    if (origin === "hub") response.setHeader("etag", `"${gitBlobId(bytes)}"`);
    sendBytes(request, response, bytes);
  }
}

function address(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // it listens on a port
}

function gitBlobId(bytes: Buffer): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

/** The part that the request's Range asks for; `end` cuts the connection there. */
function sendBytes(request: Request, response: ServerResponse, bytes: Buffer, end = bytes.length): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.range ?? "")?.[1] ?? 0);
  if (start > 0) {
    response.setHeader("content-range", `bytes ${start}-${bytes.length - 1}/${bytes.length}`);
  }
  response.writeHead(start > 0 ? 206 : 200, { "content-length": bytes.length - start });
  if (request.method === "HEAD") response.end();
  else if (end === bytes.length) response.end(bytes.subarray(start));
  else if (end <= start) {
    response.flushHeaders();
    response.destroy();
  } else response.write(bytes.subarray(start, end), () => response.destroy());
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), "magdi-hub-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Options for a hub, with pauses noted and not taken. */
function optionsFor(t: TestContext, endpoint: string): HubOptions & { readonly pausesMs: number[] } {
  const pausesMs: number[] = [];
  return {
    cacheFolder: temporaryFolder(t),
    endpoint,
    pausesMs,
    delay: async (milliseconds) => void pausesMs.push(milliseconds),
  };
}

function download(text: string, options: HubOptions): Promise<string> {
  const id = parseHubId(text);
  assert.ok(id !== null, `${text} is a hub id`);
  return downloadFromHub(id, options);
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

function failsWith(code: string, ...patterns: readonly RegExp[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof MagdiError, String(error));
    assert.equal(error.code, code, error.message);
    for (const pattern of patterns) assert.match(error.message, pattern);
    return true;
  };
}

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function magdi(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  cwd: string,
): Promise<Finished> {
  const { HF_TOKEN: _token, HF_ENDPOINT: _endpoint, ...rest } = process.env;
  return new Promise((resolve) => {
    const command = [path.join(ROOT, "bin/magdi.js"), ...args];
    execFile(
      process.execPath,
      command,
      { cwd, env: { ...rest, ...environment } },
      (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      },
    );
  });
}

test("magdi import takes a hub id and writes the student that the folder gives", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const folder = temporaryFolder(t);
  const run = await magdi(
    ["import", REPOSITORY, "--out", "student", "--no-measure"],
    { HF_ENDPOINT: `${hub.endpoint}/`, HF_TOKEN: "hf_secret", MAGDI_CACHE: path.join(folder, "cache") },
    folder,
  );
  assert.equal(run.code, 0, run.stderr);
  assert.match(run.stderr, /downloading model\.safetensors, bytes: 290056 of 290056/);
  const local = path.join(folder, "local");
  await importStudent({ source: SINGLE, out: local, dtypes: ["q4"] });
  const student = path.join(folder, "student");
  assert.deepEqual(filesUnder(student), filesUnder(local));
  for (const name of filesUnder(student).filter((each) => each.startsWith("onnx"))) {
    assert.ok(readFileSync(path.join(student, name)).equals(readFileSync(path.join(local, name))), name);
  }
  assert.equal(JSON.parse(readFileSync(path.join(student, "student.json"), "utf8")).base, REPOSITORY);
  assert.deepEqual(filesUnder(path.join(folder, "cache")), [
    "hub/tiny--llama/main/.hub.json",
    "hub/tiny--llama/main/config.json",
    "hub/tiny--llama/main/model.safetensors",
  ]);
  const tokens = new Set(hub.requests.map(({ origin, authorization }) => `${origin} ${authorization}`));
  assert.deepEqual([...tokens].sort(), ["hub Bearer hf_secret", "storage null"]);
});

test("all files come from the commit that the first one names", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  await download(REPOSITORY, optionsFor(t, hub.endpoint));
  assert.deepEqual([hub.requests[0]?.file, hub.requests[0]?.revision], ["config.json", "main"]);
  assert.deepEqual(
    hub.requests.filter(({ revision }) => revision !== COMMIT),
    hub.requests.slice(0, 1),
  );
  // The configuration's bytes too: main may have moved since it was described.
  assert.equal(hub.gets("config.json")[0]?.revision, COMMIT);
});

test("a sharded model is fetched once, and its copy serves without a network", async (t) => {
  const hub = await TestHub.start(t, SHARDED);
  const options = optionsFor(t, hub.endpoint);
  const out = temporaryFolder(t);
  const imported = (name: string) =>
    importStudent({ source: REPOSITORY, out: path.join(out, name), dtypes: ["fp32"], hub: options });
  const first = await imported("first");
  const getsAfterFirst = hub.requests.filter(({ method }) => method === "GET").length;
  const second = await imported("second");
  assert.equal(hub.requests.filter(({ method }) => method === "GET").length, getsAfterFirst);
  const folder = await download(REPOSITORY, options);
  for (const name of readdirSync(SHARDED)) {
    assert.ok(readFileSync(path.join(folder, name)).equals(readFileSync(path.join(SHARDED, name))), name);
  }
  hub.stop();
  const third = await imported("third");
  assert.equal(Object.keys(first.files).length > 3, true);
  assert.deepEqual(second.files["onnx/model.onnx_data"], first.files["onnx/model.onnx_data"]);
  assert.deepEqual(third.files["onnx/model.onnx_data"], first.files["onnx/model.onnx_data"]);
});

test("a full commit that is complete in the cache asks nobody", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const options = optionsFor(t, hub.endpoint);
  const folder = await download(`${REPOSITORY}@${COMMIT}`, options);
  assert.equal(path.basename(folder), COMMIT);
  hub.requests.length = 0;
  assert.equal(await download(`${REPOSITORY}@${COMMIT}`, options), folder);
  assert.deepEqual(hub.requests, []);
});

test("an id with a file fetches that GGUF alone", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  hub.files.set("quants/tiny.gguf", readFileSync(path.join(FIXTURES, "families/tiny-qwen2-gguf/model.gguf")));
  const options = optionsFor(t, hub.endpoint);
  const id = `${REPOSITORY}@refs/pr/1:quants/tiny.gguf`;
  const file = await download(id, options);
  assert.ok(file.endsWith(path.join("tiny--llama", "refs%2Fpr%2F1", "quants", "tiny.gguf")), file);
  assert.deepEqual(new Set(hub.requests.map((request) => request.file)), new Set(["quants/tiny.gguf"]));
  assert.equal(hub.requests[0]?.revision, "refs/pr/1");
  const out = path.join(temporaryFolder(t), "student");
  const manifest = await importStudent({ source: id, out, dtypes: ["q4"], hub: options });
  assert.equal(manifest.base, id);
  assert.equal(hub.gets("quants/tiny.gguf").length, 2, "once at the hub, once at the storage");
});

test("an adapter comes with its tokenizer files, apart from a model of the same repository", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const adapter = path.join(FIXTURES, "tiny-llama/adapter");
  const options = optionsFor(t, hub.endpoint);
  const id = parseHubId(REPOSITORY)!;
  await assert.rejects(
    downloadAdapter(id, options),
    failsWith("MAGDI_FILE_MISSING", /there is no adapter_config\.json: expected an adapter in PEFT's format/),
  );
  for (const name of readdirSync(adapter)) hub.files.set(name, readFileSync(path.join(adapter, name)));
  hub.files.set("chat_template.jinja", Buffer.from("{{ messages }}"));
  const folder = await locateAdapter({ source: REPOSITORY, hub: options });
  const names = ["adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "config.json"];
  assert.deepEqual(
    filesUnder(folder).filter((name) => names.includes(name) || name === "model.safetensors"),
    names.slice(0, 3),
  );
  assert.equal(readFileSync(path.join(folder, "chat_template.jinja"), "utf8"), "{{ messages }}");
  // Later from the cache, and a folder that is here before the hub.
  hub.stop();
  assert.equal(await locateAdapter({ source: REPOSITORY, hub: options }), folder);
  assert.equal(await locateAdapter({ source: adapter, hub: options }), adapter);
});

test("a connection cut in the middle is resumed where it broke", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  let cuts = 0;
  hub.fault = (request, response, bytes) => {
    if (request.origin !== "storage" || cuts > 0) return false;
    cuts++;
    sendBytes(request, response, bytes, 100_000);
    return true;
  };
  const options = optionsFor(t, hub.endpoint);
  const reports: number[] = [];
  const folder = await download(REPOSITORY, {
    ...options,
    onProgress: ({ file, doneBytes }) => void (file === "model.safetensors" && reports.push(doneBytes)),
  });
  const [first, second] = hub.gets("model.safetensors").filter(({ origin }) => origin === "storage");
  assert.equal(first?.range, null);
  assert.match(second?.range ?? "", /^bytes=[1-9]\d*-$/);
  assert.deepEqual(options.pausesMs, [500]);
  const file = readFileSync(path.join(folder, "model.safetensors"));
  assert.ok(file.equals(readFileSync(path.join(SINGLE, "model.safetensors"))));
  assert.equal(reports.at(-1), file.length);
  assert.deepEqual(
    reports,
    [...reports].sort((a, b) => a - b),
    "bytes are not counted twice",
  );
});

test("a download that fails leaves no half file under its name, and the next run goes on with it", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  hub.fault = (request, response, bytes) => {
    if (request.origin !== "storage") return false;
    sendBytes(request, response, bytes, 65_536);
    return true;
  };
  const options = optionsFor(t, hub.endpoint);
  await assert.rejects(
    download(REPOSITORY, options),
    failsWith("MAGDI_FILE_MISSING", /run the command again/),
  );
  const folder = path.join(options.cacheFolder, "hub/tiny--llama/main");
  assert.equal(existsSync(path.join(folder, "model.safetensors")), false);
  const partials = readdirSync(folder).filter((name) => name.endsWith(".partial"));
  assert.equal(partials.length, 1);
  assert.ok(options.pausesMs.length >= 4, "five attempts, more only where bytes arrived");

  hub.fault = () => false;
  hub.requests.length = 0;
  await download(REPOSITORY, options);
  const [resumed] = hub.gets("model.safetensors").filter(({ origin }) => origin === "storage");
  assert.match(resumed?.range ?? "", /^bytes=[1-9]\d*-$/);
  assert.deepEqual(readdirSync(folder).sort(), [".hub.json", "config.json", "model.safetensors"]);
  assert.ok(
    readFileSync(path.join(folder, "model.safetensors")).equals(
      readFileSync(path.join(SINGLE, "model.safetensors")),
    ),
  );
});

test("what was begun of another version is not continued", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const cut: Fault = (request, response, bytes) => {
    if (request.origin !== "storage") return false;
    sendBytes(request, response, bytes, 65_536);
    return true;
  };
  hub.fault = cut;
  const options = optionsFor(t, hub.endpoint);
  await assert.rejects(download(REPOSITORY, options), MagdiError);
  hub.fault = () => false;
  const changed = Buffer.from(hub.files.get("model.safetensors") ?? []);
  changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
  hub.files.set("model.safetensors", changed);
  hub.requests.length = 0;
  const folder = await download(REPOSITORY, options);
  assert.ok(readFileSync(path.join(folder, "model.safetensors")).equals(changed));
  assert.ok(hub.gets("model.safetensors").every(({ range }) => range === null));
  assert.deepEqual(readdirSync(folder).sort(), [".hub.json", "config.json", "model.safetensors"]);
});

test("a hub that ignores Range is read from the start", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  let cuts = 0;
  hub.fault = (request, response, bytes) => {
    if (request.origin !== "storage") return false;
    sendBytes({ ...request, range: null }, response, bytes, cuts++ === 0 ? 100_000 : bytes.length);
    return true;
  };
  const folder = await download(REPOSITORY, optionsFor(t, hub.endpoint));
  assert.equal(cuts, 2);
  assert.ok(
    readFileSync(path.join(folder, "model.safetensors")).equals(
      readFileSync(path.join(SINGLE, "model.safetensors")),
    ),
  );
});

test("two downloads of the same model at once both end with the whole of it", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const options = optionsFor(t, hub.endpoint);
  const [one, other] = await Promise.all([download(REPOSITORY, options), download(REPOSITORY, options)]);
  assert.equal(one, other);
  assert.deepEqual(readdirSync(one).sort(), [".hub.json", "config.json", "model.safetensors"]);
  assert.ok(
    readFileSync(path.join(one, "model.safetensors")).equals(
      readFileSync(path.join(SINGLE, "model.safetensors")),
    ),
  );
});

test("a revision that moved is fetched anew, and what it no longer has goes", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  hub.files.set("chat_template.jinja", Buffer.from("{{ messages }}"));
  const options = optionsFor(t, hub.endpoint);
  const folder = await download(REPOSITORY, options);
  assert.ok(existsSync(path.join(folder, "chat_template.jinja")));
  hub.files.delete("chat_template.jinja");
  hub.files.set("generation_config.json", Buffer.from('{"eos_token_id": 2}'));
  hub.commit = "f".repeat(40);
  hub.requests.length = 0;
  await download(REPOSITORY, options);
  assert.deepEqual(readdirSync(folder).sort(), [
    ".hub.json",
    "config.json",
    "generation_config.json",
    "model.safetensors",
  ]);
  assert.deepEqual(
    hub.requests.filter(({ method }) => method === "GET").map(({ file }) => file),
    ["generation_config.json"],
  );
});

test("5xx answers are asked again with growing pauses", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const failures = new Map([
    ["HEAD hub config.json", [500, 503]],
    ["GET storage model.safetensors", [502]],
  ]);
  hub.fault = ({ method, origin, file }, response) => {
    const status = failures.get(`${method} ${origin} ${file}`)?.shift();
    if (status !== undefined) response.writeHead(status).end();
    return status !== undefined;
  };
  const options = optionsFor(t, hub.endpoint);
  await download(REPOSITORY, options);
  assert.deepEqual(options.pausesMs, [500, 1000, 500]);
});

test("a hub that stays broken is given up after five attempts", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  hub.fault = (_request, response) => {
    response.writeHead(500).end();
    return true;
  };
  const options = optionsFor(t, hub.endpoint);
  await assert.rejects(
    download(REPOSITORY, options),
    failsWith("MAGDI_FILE_MISSING", /answered 500 for .*config\.json 5 times/),
  );
  assert.equal(hub.requests.length, 5);
  assert.deepEqual(options.pausesMs, [500, 1000, 2000, 4000]);
});

test("an unknown model and a repository without weights are told apart", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const options = optionsFor(t, hub.endpoint);
  await assert.rejects(
    download("tiny/lama", options),
    failsWith(
      "MAGDI_FILE_MISSING",
      /^tiny\/lama: there is no such file or folder here/,
      /knows no model tiny\/lama/,
    ),
  );
  assert.deepEqual(filesUnder(options.cacheFolder), []);
  hub.files.delete("model.safetensors");
  await assert.rejects(
    download(REPOSITORY, options),
    failsWith("MAGDI_FILE_MISSING", /there is no model\.safetensors or model\.safetensors\.index\.json/),
  );
  hub.files.delete("config.json");
  await assert.rejects(
    download(REPOSITORY, options),
    failsWith("MAGDI_FILE_MISSING", /there is no config\.json/, /tiny\/llama:FILE\.gguf/),
  );
});

test("a gated model asks for HF_TOKEN, and a token without access is named", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  let status = 401;
  hub.fault = (_request, response) => {
    response.writeHead(status, { "x-error-code": "GatedRepo" }).end("Access is restricted");
    return true;
  };
  const options = optionsFor(t, hub.endpoint);
  await assert.rejects(
    download(REPOSITORY, options),
    failsWith("MAGDI_FILE_MISSING", /answered 401 for tiny\/llama/, /set HF_TOKEN/),
  );
  status = 403;
  await assert.rejects(download(REPOSITORY, { ...options, token: "hf_secret" }), (error) => {
    failsWith("MAGDI_FILE_MISSING", /answered 403/, /HF_TOKEN gives no access/)(error);
    assert.doesNotMatch(String(error), /hf_secret/);
    return true;
  });
  assert.equal(hub.requests.length, 2, "refusals are not asked again");
});

test("a body shorter than the hub states is refused", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  hub.fault = (request, response, bytes) => {
    if (request.origin !== "storage") return false;
    sendBytes({ ...request, range: null }, response, bytes.subarray(0, 1000));
    return true;
  };
  const options = optionsFor(t, hub.endpoint);
  await assert.rejects(
    download(REPOSITORY, options),
    failsWith("MAGDI_BAD_FILE", /model\.safetensors: expected 290056 bytes, the answer ends after 1000/),
  );
  assert.equal(existsSync(path.join(options.cacheFolder, "hub/tiny--llama/main/model.safetensors")), false);
});

test("a body longer than the hub states is refused", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  hub.fault = (request, response, bytes) => {
    if (request.origin !== "storage") return false;
    sendBytes(request, response, Buffer.concat([bytes, Buffer.from("more")]));
    return true;
  };
  const options = optionsFor(t, hub.endpoint);
  await assert.rejects(
    download(REPOSITORY, options),
    failsWith("MAGDI_BAD_FILE", /expected 290056 bytes, found more/),
  );
  const left = filesUnder(options.cacheFolder).filter((name) => name.includes("model.safetensors"));
  assert.deepEqual(left, []);
});

for (const { file, origin } of [
  { file: "model.safetensors", origin: "storage" },
  { file: "config.json", origin: "hub" },
]) {
  test(`${file} with other bytes than its ETag says is discarded`, async (t) => {
    const hub = await TestHub.start(t, SINGLE);
    hub.fault = (request, response, bytes) => {
      if (request.method !== "GET" || request.origin !== origin || request.file !== file) return false;
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(40) ^ 1, 40);
      sendBytes(request, response, changed);
      return true;
    };
    const options = optionsFor(t, hub.endpoint);
    await assert.rejects(download(REPOSITORY, options), failsWith("MAGDI_BAD_FILE", /expected the hash/));
    const left = filesUnder(options.cacheFolder).filter((name) => name.includes(file));
    assert.deepEqual(left, []);
  });
}

test("an index that names files outside the repository is refused before any shard", async (t) => {
  for (const evil of [
    "../evil.safetensors",
    "/etc/evil.safetensors",
    "a\\..\\evil.safetensors",
    ".hub.json",
    7,
  ]) {
    const hub = await TestHub.start(t, SHARDED);
    const index = JSON.parse(readFileSync(path.join(SHARDED, "model.safetensors.index.json"), "utf8"));
    index.weight_map["model.norm.weight"] = evil;
    hub.files.set("model.safetensors.index.json", Buffer.from(JSON.stringify(index)));
    const options = optionsFor(t, hub.endpoint);
    await assert.rejects(
      download(REPOSITORY, options),
      failsWith("MAGDI_BAD_FILE", /expected \.safetensors files inside the repository/),
    );
    assert.deepEqual(
      hub.requests.filter(({ file }) => /evil|-of-/.test(file)),
      [],
    );
    assert.ok(filesUnder(options.cacheFolder).every((name) => name.startsWith("hub/tiny--llama/main/")));
  }
});

test("a family that is not supported is refused before its weights travel", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const config = JSON.parse(readFileSync(path.join(SINGLE, "config.json"), "utf8"));
  hub.files.set("config.json", Buffer.from(JSON.stringify({ ...config, model_type: "mamba" })));
  await assert.rejects(
    download(REPOSITORY, optionsFor(t, hub.endpoint)),
    failsWith("MAGDI_UNSUPPORTED", /mamba/),
  );
  assert.deepEqual(hub.gets("model.safetensors"), []);
});

test("a hub that cannot be reached says what to do instead", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const options = optionsFor(t, hub.endpoint);
  hub.stop();
  await assert.rejects(
    download(REPOSITORY, options),
    failsWith(
      "MAGDI_FILE_MISSING",
      /this machine cannot reach http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\): download the folder elsewhere and pass its path/,
    ),
  );
  assert.deepEqual(options.pausesMs, []);
});

test("a disk that is full is named", { skip: !existsSync("/dev/full") }, async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  hub.fault = (request, response, bytes) => {
    if (request.origin !== "storage") return false;
    sendBytes(request, response, bytes, 65_536);
    return true;
  };
  const options = optionsFor(t, hub.endpoint);
  await assert.rejects(download(REPOSITORY, options), MagdiError);
  hub.fault = () => false;
  const folder = path.join(options.cacheFolder, "hub/tiny--llama/main");
  const partial = path.join(folder, readdirSync(folder).find((name) => name.endsWith(".partial")) ?? "");
  rmSync(partial);
  symlinkSync("/dev/full", partial);
  await assert.rejects(
    download(REPOSITORY, options),
    failsWith("MAGDI_FILE_MISSING", /the disk is full \(ENOSPC\)/, /MAGDI_CACHE/),
  );
  assert.equal(existsSync(path.join(folder, "model.safetensors")), false);
});

test("redirects that do not end are refused", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  hub.fault = (_request, response) => {
    response.writeHead(307, { location: "/tiny/llama/resolve/main/config.json" }).end();
    return true;
  };
  await assert.rejects(
    download(REPOSITORY, optionsFor(t, hub.endpoint)),
    failsWith("MAGDI_BAD_FILE", /more than 10 redirects/),
  );
});

test("what exists on disk wins over a hub id of the same name", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const folder = temporaryFolder(t);
  mkdirSync(path.join(folder, "tiny"));
  cpSync(SINGLE, path.join(folder, REPOSITORY), { recursive: true });
  const environment = { HF_ENDPOINT: hub.endpoint, MAGDI_CACHE: path.join(folder, "cache") };
  const run = await magdi(["import", REPOSITORY, "--out", "student", "--no-measure"], environment, folder);
  assert.equal(run.code, 0, run.stderr);
  assert.deepEqual(hub.requests, []);
  assert.equal(existsSync(path.join(folder, "cache")), false);
});

test("a source that is neither on disk nor an id gets all three possibilities named", async (t) => {
  const hub = await TestHub.start(t, SINGLE);
  const options = optionsFor(t, hub.endpoint);
  const out = path.join(temporaryFolder(t), "student");
  for (const source of ["./models/tiny", "models/tiny.gguf", "a/b/c", "tiny"]) {
    await assert.rejects(
      importStudent({ source, out, dtypes: ["q4"], hub: options }),
      failsWith("MAGDI_FILE_MISSING", /Hugging Face folder/, /\.gguf file/, /hub id \(OWNER\/NAME/),
    );
  }
  assert.deepEqual(hub.requests, []);
});

test("hub ids", () => {
  const id = (repository: string, revision = "main", file: string | null = null) => ({
    repository,
    revision,
    file,
  });
  assert.deepEqual(parseHubId("Qwen/Qwen2.5-0.5B"), id("Qwen/Qwen2.5-0.5B"));
  assert.deepEqual(parseHubId("a/b@refs/pr/1"), id("a/b", "refs/pr/1"));
  assert.deepEqual(parseHubId("a/b:q/c-Q4_K_M.gguf"), id("a/b", "main", "q/c-Q4_K_M.gguf"));
  assert.deepEqual(parseHubId(`a/b@${COMMIT}:c.gguf`), id("a/b", COMMIT, "c.gguf"));
  const refused = [
    ..."gpt2,a/b/c,/a/b,../b,a/..,a/.b,-a/b,a--b/c,a/b--c,a/b.gguf,a/b.safetensors,C:\\a/b,a/b@,a/b@..,a/b@x/../y".split(
      ",",
    ),
    ..."a/b:c.bin,a/b:../c.gguf,a/b:/c.gguf,a/b:c.gguf:d.gguf,a/b?c,a/b c,http://a/b".split(","),
  ];
  for (const text of refused) assert.equal(parseHubId(text), null, text);
});

test("settings that cannot be used are named, the token itself is not shown", async (t) => {
  const options = optionsFor(t, "huggingface.co");
  await assert.rejects(download(REPOSITORY, options), failsWith("MAGDI_BAD_CONFIG", /HF_ENDPOINT/));
  const withToken = { ...options, endpoint: "http://127.0.0.1:9", token: "hf_se\ncret" };
  await assert.rejects(download(REPOSITORY, withToken), (error) => {
    assert.doesNotMatch(String(error), /hf_se/);
    return failsWith("MAGDI_BAD_CONFIG", /HF_TOKEN/)(error);
  });
});
