// What the Dockerfile makes, made by its own stage scripts in a clean folder: the files, the size, the user, and a
// server that starts from them, answers, is found healthy, and drains.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { post, ServeProcess } from "../e2e/serve-process.ts";
import type { Json } from "../server/support/running-app.ts";
import { BuildContext } from "./support/build-context.ts";
import { ContainedProcess, cannotContain } from "./support/contained-process.ts";
import { imageConfig, parseDockerfile } from "./support/dockerfile.ts";
import { StageRunner } from "./support/stage-runner.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const STAGES = parseDockerfile(readFileSync(path.join(ROOT, "Dockerfile"), "utf8"));
const IMAGE = imageConfig(STAGES, "cpu");
const MAX_SIZE_BYTES = 215e6;
const skip = process.platform === "linux" ? false : "the image is Linux's";
const run = promisify(execFile);

let folder = "";
/** Stands for the root of the image. */
let root = "";

before(async () => {
  if (skip !== false) return;
  folder = mkdtempSync(path.join(tmpdir(), "magdi-image-"));
  root = await new StageRunner({ stages: STAGES, context: new BuildContext(ROOT), folder }).build("cpu");
});
after(() => rmSync(folder, { recursive: true, force: true }));

const app = () => path.join(root, IMAGE.workingFolder);

function files(): string[] {
  return readdirSync(app(), { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(app(), path.join(entry.parentPath, entry.name)));
}

test("the image holds the server, its packages and its student, and nothing else", { skip }, () => {
  assert.deepEqual(readdirSync(root), ["app"]);
  assert.deepEqual(readdirSync(app()).sort(), [
    "LICENSE",
    "bin",
    "dist",
    "health.js",
    "models",
    "native",
    "node_modules",
    "package.json",
  ]);
  const all = files();
  assert.ok(all.length > 1000, `${all.length} files`);
  const unwanted =
    /\.(?:map|[cm]?ts|cc|hh|h|md)$|(?:^|\/)(?:tests?|__tests__|\.[^/]+)\/|\.test\.|(?:^|\/)(?:prebuilds|musl)/;
  assert.deepEqual(
    all.filter((file) => unwanted.test(file) && !file.startsWith("models/")),
    [],
  );
  const { devDependencies, dependencies }: Json = JSON.parse(
    readFileSync(path.join(ROOT, "package.json"), "utf8"),
  );
  const packages = new Set(readdirSync(path.join(app(), "node_modules")));
  const present = (name: string) =>
    packages.has(name.split("/")[0] ?? "") &&
    statSync(path.join(app(), "node_modules", name), { throwIfNoEntry: false }) !== undefined;
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => !present(name)),
    [],
  );
  assert.deepEqual(Object.keys(devDependencies).filter(present), []);
});

test("its native libraries are this platform's, one of each", { skip }, () => {
  const native = files()
    .map((file) => [file, magic(path.join(app(), file))] as const)
    .filter(([, found]) => found !== null);
  const { arch } = process;
  assert.deepEqual(Object.fromEntries(native.sort()), {
    [`native/bin/linux-${arch}/libmagdi-kernels.so`]: `ELF ${arch}`,
    [`node_modules/@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`]: `ELF ${arch}`,
    [`node_modules/onnxruntime-node/bin/napi-v6/linux/${arch}/libonnxruntime.so.1`]: `ELF ${arch}`,
    [`node_modules/onnxruntime-node/bin/napi-v6/linux/${arch}/onnxruntime_binding.node`]: `ELF ${arch}`,
  });
});

/** What kind of program or library a file is by its first bytes; null for anything else. */
function magic(file: string): string | null {
  const head = Buffer.alloc(20);
  const descriptor = openSync(file, "r");
  readSync(descriptor, head);
  closeSync(descriptor);
  const ELF_MACHINES: Readonly<Record<number, string>> = { 62: "x64", 183: "arm64" };
  if (head.toString("latin1", 0, 4) === "\x7fELF") return `ELF ${ELF_MACHINES[head.readUInt16LE(18)]}`;
  if (head.toString("latin1", 0, 2) === "MZ") return "PE";
  return [0xfeedfacf, 0xcffaedfe, 0xcafebabe].includes(head.readUInt32BE(0)) ? "Mach-O" : null;
}

test(`it adds less than ${MAX_SIZE_BYTES / 1e6} MB to its base`, { skip }, () => {
  const sizes = files().map((file) => statSync(path.join(app(), file)).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total < MAX_SIZE_BYTES, `${total} bytes`);
});

test("every module in it finds what it imports", { skip }, async () => {
  const program = `
    import { readdirSync } from "node:fs";
    const modules = readdirSync("dist", { recursive: true })
      .filter((file) => file.endsWith(".js") && !file.startsWith("server/playground") && file !== "debate/page/page.js");
    for (const file of modules) await import(process.cwd() + "/dist/" + file);
    console.log(modules.length);
  `;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: app() });
  assert.ok(Number(stdout) > 200, stdout);
});

const QUESTION = {
  question: "Tom has 3 apples and buys 4 more. How many has he now?",
  max_tokens: 24,
  samples: 2,
};

test("the server starts from it, answers, is found healthy, and drains", { skip }, async (t) => {
  const server = new ServeProcess(t, [path.join(app(), "bin/magdi.js"), "serve", "--port", "0"]);
  const url = await server.ready();
  const response = await post(url, "/v1/reason", QUESTION);
  const answer: Json = await response.json();
  assert.equal(response.status, 200, JSON.stringify(answer));
  assert.ok(answer.usage.completion_tokens > 2);
  assert.deepEqual(await healthCheck(url), { code: 0, says: "ok" });

  server.kill("SIGTERM");
  assert.equal(await server.exited, 0);
  const { code, says } = await healthCheck(url);
  assert.equal(code, 1);
  assert.match(says, /no answer from 127\.0\.0\.1:\d+: ECONNREFUSED/);
});

/** The image's health check, against a server on a port of its own. */
async function healthCheck(url: string): Promise<{ code: number; says: string }> {
  const [command = "", ...args] = IMAGE.healthCheck;
  assert.equal(command, "node");
  const env = { ...process.env, ...IMAGE.environment, MAGDI_PORT: new URL(url).port };
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: app(), env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), says: (stdout + stderr).trim() });
    });
  });
}

test("as process 1 of a user without rights, on a read-only root, it answers, and SIGTERM lets a stream end", {
  skip: skip === false ? cannotContain() : skip,
}, async (t) => {
  const contained = new ContainedProcess(root, IMAGE, { MAGDI_PORT: "0" });
  t.after(() => contained.end());
  const url = await addressOf(contained.stdout, contained.stderr);
  const inside = contained.status();
  assert.deepEqual(
    { ownId: inside.ownId, userId: inside.userId, groups: inside.groups, capabilities: inside.capabilities },
    { ownId: 1, userId: 1000, groups: "", capabilities: 0n },
  );

  const stream = await post(url, "/v1/chat/completions", {
    messages: [{ role: "user", content: "Count." }],
    max_tokens: 64,
    ignore_eos: true,
    stream: true,
  });
  let text = "";
  let signalled = false;
  for await (const chunk of stream.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (!signalled) contained.signal("SIGTERM");
    signalled = true;
  }
  assert.match(text, /"finish_reason":"length".*data: \[DONE\]\n\n$/s);
  assert.equal(await contained.exited, 0);
  assert.deepEqual(readdirSync(path.join(root, "tmp")), []);
});

/** What the ready line gives; the log goes into the error when the process ends before it. */
async function addressOf(stdout: Readable, stderr: Readable): Promise<string> {
  let log = "";
  stderr.setEncoding("utf8").on("data", (chunk: string) => {
    log += chunk;
  });
  for await (const line of createInterface({ input: stdout })) {
    const address = / serves .* on (http:\S+);/.exec(line)?.[1];
    if (address === undefined) continue;
    stdout.resume();
    return address;
  }
  throw new Error(`the server ended before it was ready: ${log}`);
}
