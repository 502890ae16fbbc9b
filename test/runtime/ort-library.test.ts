// Which file of the package is loaded, and which releases of ONNX Runtime are accepted.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { runtimeCheck } from "../../src/doctor/programs.ts";
import { libraryPath, OrtLibrary, TESTED_VERSIONS } from "../../src/runtime/ort-library.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

/** A package folder that holds these files below bin. */
function packageOf(name: string, files: readonly string[]): string {
  for (const file of files.map((under) => path.join(folder, name, "bin", under))) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, "");
  }
  return path.join(folder, name);
}

test("the library is found whatever its release and its Node-API folder are", () => {
  const linux = ["linux/arm64/libonnxruntime.so.1", "linux/x64/libonnxruntime.so.1"];
  const windows = ["win32/x64/DirectML.dll", "win32/x64/onnxruntime.dll"];
  const both = ["darwin/arm64/libonnxruntime.1.30.0.dylib", "darwin/arm64/libonnxruntime.1.dylib"];
  const old = packageOf(
    "old",
    [...linux, ...windows, ...both].map((file) => `napi-v6/${file}`),
  );
  const found = (packageFolder: string, platform: string, architecture: string): string =>
    path.relative(packageFolder, libraryPath(packageFolder, platform, architecture));
  assert.equal(found(old, "linux", "x64"), "bin/napi-v6/linux/x64/libonnxruntime.so.1");
  assert.equal(found(old, "win32", "x64"), "bin/napi-v6/win32/x64/onnxruntime.dll");
  assert.equal(found(old, "darwin", "arm64"), "bin/napi-v6/darwin/arm64/libonnxruntime.1.dylib");
  const later = packageOf("later", ["napi-v9/darwin/arm64/libonnxruntime.1.41.2.dylib"]);
  assert.equal(found(later, "darwin", "arm64"), "bin/napi-v9/darwin/arm64/libonnxruntime.1.41.2.dylib");
  assert.throws(() => libraryPath(old, "darwin", "x64"), /no library for darwin\/x64: expected one in/);
});

const NO_COMPILER = ((): string | false => {
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    return "no C compiler here: install gcc";
  }
})();

/** A library that says it is of `release`, whose functions are those of the release that is installed. */
function release(version: string, latestApi: number): string {
  const source = path.join(folder, `${version}.c`);
  const library = path.join(folder, `libonnxruntime.${version}`);
  writeFileSync(
    source,
    `#include <dlfcn.h>
    struct base { const void *(*get_api)(unsigned); const char *(*get_version)(void); };
    static const void *get_api(unsigned version) {
      void *library = dlopen("${libraryPath()}", RTLD_NOW);
      const struct base *(*real)(void) = (const struct base *(*)(void))dlsym(library, "OrtGetApiBase");
      return version <= ${latestApi} ? real()->get_api(version) : 0;
    }
    static const char *get_version(void) { return "${version}"; }
    static const struct base BASE = { get_api, get_version };
    const struct base *OrtGetApiBase(void) { return &BASE; }`,
  );
  execFileSync("cc", ["-shared", "-fPIC", "-o", library, source, "-ldl"]);
  return library;
}

test("a release that no test has seen is loaded, and the doctor warns of it", { skip: NO_COMPILER }, () => {
  const library = new OrtLibrary(release("1.99.0", 99));
  assert.equal(library.version, "1.99.0");
  library.release("ReleaseSessionOptions", library.create("CreateSessionOptions"));
  const check = runtimeCheck(() => library);
  assert.equal(check.status, "warning");
  assert.equal(check.found, `1.99.0, loaded; magdi was tested with ${TESTED_VERSIONS.join(", ")}`);
  assert.equal(check.remedy, `if it misbehaves: npm install onnxruntime-node@${TESTED_VERSIONS.at(-1)}`);
});

test("a release without the C API version that is asked for is refused by name", {
  skip: NO_COMPILER,
}, () => {
  const file = release("1.23.2", 23);
  assert.throws(() => new OrtLibrary(file), {
    code: "MAGDI_RUNTIME",
    message: new RegExp(
      `^expected ONNX Runtime 1\\.\\d+ or later, found 1\\.23\\.2 \\(${file}\\); run npm install onnxruntime-node@\\d`,
    ),
  });
});

test("the installed release is one of those that were tested", () => {
  assert.ok(TESTED_VERSIONS.includes(OrtLibrary.load().version), OrtLibrary.load().version);
});
