import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { neededLibraries } from "../../src/doctor/shared-library.ts";
import { libraryPath } from "../../src/runtime/ort-library.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { sharedObject } from "./support/shared-object.ts";

const scratch = scratchFolder();

function written(name: string, bytes: Uint8Array): string {
  const file = path.join(scratch, name);
  writeFileSync(file, bytes);
  return file;
}

test("ONNX Runtime's own library is linked to the C library", {
  skip: process.platform !== "linux" && "ELF files are Linux's",
}, () => {
  assert.ok(neededLibraries(libraryPath()).includes("libc.so.6"), libraryPath());
});

test("names are read in their order", () => {
  const names = ["libcublasLt.so.13", "libcudart.so.13"];
  assert.deepEqual(neededLibraries(written("two.so", sharedObject(names))), names);
});

test("a file that is none, or was cut, is linked to nothing", () => {
  const whole = sharedObject(["libcudart.so.13"]);
  assert.deepEqual(neededLibraries(path.join(scratch, "nowhere.so")), []);
  assert.deepEqual(neededLibraries(written("text.so", Buffer.from("library"))), []);
  for (let length = 0; length < whole.length; length++) {
    assert.deepEqual(neededLibraries(written("cut.so", whole.subarray(0, length))), [], `${length} bytes`);
  }
  const far = Buffer.from(whole);
  far.writeBigUInt64LE(2n ** 63n, 40);
  assert.deepEqual(neededLibraries(written("far.so", far)), []);
});
