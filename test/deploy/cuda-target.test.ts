// The scripts of the CUDA target: what they leave, and what they say where they cannot go on. The provider that the tests
// of the device open was downloaded by one of them; here what they download is made up.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CUDA_PROVIDER, compileCudaLibraries, NO_CUDA_PROVIDER } from "../support/cuda-without-device.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const IMAGE = path.join(ROOT, "deploy/image");
const scratch = scratchFolder();
const skip =
  process.platform === "linux" && process.arch === "x64" ? false : "CUDA's target is Linux's on x64";

interface ScriptRun {
  readonly code: number;
  readonly says: string;
}

function script(name: string, args: readonly string[], cwd: string, env = {}): Promise<ScriptRun> {
  return new Promise((resolve) => {
    execFile(
      path.join(IMAGE, name),
      [...args],
      { cwd, env: { ...process.env, ...env } },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), says: out + err });
      },
    );
  });
}

function folderOf(name: string): string {
  const folder = path.join(scratch, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** What puts a Python in front of the PATH whose pip runs `install` with the target folder as $target. */
function withPip(name: string, install: string): Record<string, string> {
  const folder = folderOf(`${name}-python`);
  const target = 'while [ $# -gt 1 ]; do [ "$1" = --target ] && target=$2; shift; done';
  const program = `#!/bin/sh\ncase "$*" in *--version*) exit 0;; esac\n${target}\n${install}\n`;
  writeFileSync(path.join(folder, "python3"), program, { mode: 0o755 });
  return { PATH: `${folder}:${process.env.PATH ?? ""}` };
}

test("the provider is of the version of onnxruntime-node that the lockfile has", () => {
  const lock = JSON.parse(readFileSync(path.join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version: string }>;
  };
  const { version } = lock.packages["node_modules/onnxruntime-node"]!;
  const listed = readFileSync(path.join(IMAGE, "cuda-provider.txt"), "utf8");
  assert.match(listed, new RegExp(`^onnxruntime-gpu==${version.replaceAll(".", "\\.")} `, "m"));
});

test("the provider's script leaves two libraries and nothing else", { skip }, async () => {
  const names = ["cuda", "shared", "tensorrt"].map((name) => `libonnxruntime_providers_${name}.so`);
  const capi = "$target/onnxruntime/capi";
  const made = names.map((name) => `echo library > ${capi}/${name}`).join("\n");
  const env = withPip("whole", `mkdir -p ${capi}\n${made}`);
  const folder = folderOf("whole");
  const { code, says } = await script("cuda-provider.sh", ["providers"], folder, env);
  assert.equal(code, 0, says);
  assert.deepEqual(readdirSync(path.join(folder, "providers")).sort(), names.slice(0, 2));
});

test("a package without the provider is an error that names the file", { skip }, async () => {
  const env = withPip("nothing", "mkdir -p $target");
  const { code, says } = await script("cuda-provider.sh", ["providers"], folderOf("nothing"), env);
  assert.equal(code, 1);
  assert.match(
    says,
    /cuda-provider: the package onnxruntime-gpu holds no libonnxruntime_providers_shared\.so/,
  );
});

test("without a network, or without Python, the scripts say so", { skip }, async () => {
  const offline = { PIP_NO_INDEX: "1" };
  const refused = await script("cuda-provider.sh", ["providers"], folderOf("offline"), offline);
  assert.equal(refused.code, 1);
  assert.match(refused.says, /cuda-packages: the packages of \S+ could not be had \(above\)/);

  const bare = folderOf("bare-path");
  for (const name of ["sh", "dirname", "uname"]) symlinkSync(`/bin/${name}`, path.join(bare, name));
  const alone = await script("cuda-provider.sh", ["providers"], folderOf("bare"), { PATH: bare });
  assert.equal(alone.code, 1);
  assert.match(alone.says, /cuda-packages: python3 with pip is missing/);
});

test("the libraries' script asks for the provider first", { skip }, async () => {
  const { code, says } = await script("cuda-libraries.sh", ["providers", "libraries"], folderOf("first"));
  assert.equal(code, 1);
  assert.match(says, /providers_cuda\.so is missing: run deploy\/image\/cuda-provider\.sh first/);
});

test("the libraries' script leaves what the provider is linked to, by the names that it asks for", {
  skip: NO_CUDA_PROVIDER,
}, async () => {
  const folder = folderOf("linked");
  const libraries = folderOf("linked-libraries");
  compileCudaLibraries(libraries);
  const inWheels = "$target/nvidia/cu13/lib";
  const copied = `mkdir -p ${inWheels} && cp ${libraries}/*.so.* ${inWheels} && rm ${inWheels}/libcuda.so.1`;
  symlinkSync(CUDA_PROVIDER, path.join(folder, "providers"));
  const { code, says } = await script(
    "cuda-libraries.sh",
    ["providers", "libraries"],
    folder,
    withPip("linked", copied),
  );
  assert.equal(code, 0, says);
  const linked = ["libcublas.so.13", "libcublasLt.so.13", "libcudart.so.13", "libcurand.so.10"];
  assert.deepEqual(readdirSync(path.join(folder, "libraries")).sort(), linked);

  const fewer = `${copied} && rm ${inWheels}/libcurand.so.10`;
  const lacking = await script("cuda-libraries.sh", ["providers", "fewer"], folder, withPip("fewer", fewer));
  assert.equal(lacking.code, 1);
  assert.match(
    lacking.says,
    /cuda-libraries: the provider would not load: \s*libcurand\.so\.10 => not found/,
  );
});
