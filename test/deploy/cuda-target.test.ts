// The scripts of the CUDA target: what they leave, and what they say where they cannot go on. The download itself and
// NVIDIA's libraries need a network and an image that the tests have not.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { scratchFolder } from "../support/scratch-folder.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LIBRARIES = "node_modules/onnxruntime-node/bin/napi-v6/linux/x64";
const scratch = scratchFolder();
const skip =
  process.platform === "linux" && process.arch === "x64" ? false : "CUDA's target is Linux's on x64";

interface ScriptRun {
  readonly code: number;
  readonly says: string;
}

function script(name: string, args: readonly string[], cwd: string, env = {}): Promise<ScriptRun> {
  const file = path.join(ROOT, "deploy/image", name);
  return new Promise((resolve) => {
    execFile("sh", [file, ...args], { cwd, env: { ...process.env, ...env } }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), says: stdout + stderr });
    });
  });
}

/** A folder whose onnxruntime-node has an installer that leaves `files`. */
function withInstaller(name: string, files: readonly string[]): string {
  const folder = path.join(scratch, name);
  mkdirSync(path.join(folder, LIBRARIES), { recursive: true });
  mkdirSync(path.join(folder, "node_modules/onnxruntime-node/script"));
  const lines = files.map((file) => `fs.writeFileSync("${LIBRARIES}/${file}", "library");`);
  const asked = 'if (process.argv[2] !== "--onnxruntime-node-install=cuda12") process.exit(1);';
  const program = `const fs = require("node:fs");\n${asked}\n${lines.join("\n")}\n`;
  writeFileSync(path.join(folder, "node_modules/onnxruntime-node/script/install.js"), program);
  return folder;
}

test("the provider's script takes what the installer left, and TensorRT's provider away", {
  skip,
}, async () => {
  const names = ["cuda", "shared", "tensorrt"].map((name) => `libonnxruntime_providers_${name}.so`);
  const folder = withInstaller("whole", names);
  const { code, says } = await script("cuda-provider.sh", ["providers"], folder);
  assert.equal(code, 0, says);
  assert.deepEqual(readdirSync(path.join(folder, "providers")).sort(), names.slice(0, 2));
  assert.deepEqual(readdirSync(path.join(folder, LIBRARIES)), []);
});

test("an installer that leaves nothing is an error that names the file", { skip }, async () => {
  const { code, says } = await script("cuda-provider.sh", ["providers"], withInstaller("nothing", []));
  assert.equal(code, 1);
  assert.match(says, /cuda-provider: the installer of onnxruntime-node left no \S+providers_shared\.so/);
});

test("without packages, and without a network, the provider's script says so", { skip }, async () => {
  const folder = path.join(scratch, "offline");
  mkdirSync(folder);
  const none = await script("cuda-provider.sh", ["providers"], folder);
  assert.equal(none.code, 1);
  assert.match(none.says, /install\.js is missing: run deploy\/image\/install\.sh first/);

  symlinkSync(path.join(ROOT, "node_modules"), path.join(folder, "node_modules"));
  const proxy = { GLOBAL_AGENT_HTTPS_PROXY: "http://127.0.0.1:1", GLOBAL_AGENT_NO_PROXY: "" };
  const offline = await script("cuda-provider.sh", ["providers"], folder, proxy);
  assert.equal(offline.code, 1);
  assert.match(offline.says, /ECONNREFUSED.*cuda-provider: the download from api\.nuget\.org failed/s);
});

test("the libraries' script takes each library by the name that it is opened by", { skip }, async () => {
  const folder = path.join(scratch, "libraries");
  const image = path.join(folder, "image");
  mkdirSync(image, { recursive: true });
  const opened = ["libcudnn.so.9", "libcudnn_ops.so.9", "libnvrtc-builtins.so.12.9", "libnvrtc.so.12"];
  for (const name of [...opened, "libcudnn.so.9.10.2", "libcudnn.so", "libcublas.so.12"])
    writeFileSync(path.join(image, name), "library");
  const missing = await script("cuda-libraries.sh", ["providers", "libraries"], folder);
  assert.equal(missing.code, 1);
  assert.match(missing.says, /providers_cuda\.so is missing: run deploy\/image\/cuda-provider\.sh first/);

  // A library that is linked to nothing of CUDA.
  mkdirSync(path.join(folder, "providers"));
  const provider = path.join(folder, "providers/libonnxruntime_providers_cuda.so");
  cpSync(path.join(ROOT, LIBRARIES, "libonnxruntime.so.1"), provider);
  const { code, says } = await script("cuda-libraries.sh", ["providers", "libraries"], folder, {
    LD_LIBRARY_PATH: image,
  });
  assert.equal(code, 0, says);
  assert.deepEqual(readdirSync(path.join(folder, "libraries")).sort(), opened);
});
