// What is opened of strangers' files: regular ones inside their folder and no larger than allowed, over real links,
// pipes, sockets and devices.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, linkSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import { jsonFilesIn } from "../../../src/base/files/json-records.ts";
import { openRegularFile, readRegularText } from "../../../src/base/files/regular-file.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const skip = process.platform === "win32" && "there are no named pipes";
const scratch = scratchFolder();
const inside = path.join(scratch, "inside");
mkdirSync(path.join(inside, "deeper"), { recursive: true });
writeFileSync(path.join(scratch, "secret"), "secret");
writeFileSync(path.join(inside, "plain"), "plain");

function refused(code: string, pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof MagdiError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, pattern);
    return true;
  };
}

function at(...parts: readonly string[]): string {
  return path.join(inside, ...parts);
}

test("what is no regular file is refused by name, without waiting for it", { skip }, async (t) => {
  assert.equal(spawnSync("mkfifo", [at("pipe")]).status, 0);
  const server = createServer().listen(at("socket"));
  await once(server, "listening");
  t.after(() => server.close());
  symlinkSync("pipe", at("link-to-pipe"));
  symlinkSync("/dev/zero", at("link-to-zero"));
  symlinkSync("circle", at("circle"));
  for (const [name, what] of [
    ["pipe", /pipe: expected a regular file, found a named pipe/],
    ["link-to-pipe", /link-to-pipe: expected a regular file, found a named pipe/],
    ["socket", /socket: expected a regular file, found a socket/],
    ["deeper", /deeper: expected a regular file, found a folder/],
    ["link-to-zero", /link-to-zero: expected a regular file, found a device/],
    ["circle", /circle: expected a readable file, found links that lead in a circle/],
    ["x".repeat(300), /expected a readable file, found ENAMETOOLONG/],
    ["nul\0byte", /expected a readable file, found ERR_INVALID_ARG_VALUE/],
  ] as const) {
    for (const limits of [{}, { within: inside }]) {
      assert.throws(() => openRegularFile(at(name), limits), refused("MAGDI_BAD_FILE", what));
    }
  }
  assert.throws(() => openRegularFile("/dev/zero"), refused("MAGDI_BAD_FILE", /found a device/));
  assert.throws(() => openRegularFile(at("none")), refused("MAGDI_FILE_MISSING", /no such file/));
});

test("links are followed inside the folder, and to anywhere when the user named the file", { skip }, () => {
  symlinkSync("../secret", at("out"));
  symlinkSync(path.join(scratch, "secret"), at("deeper", "absolute"));
  symlinkSync("..", at("up"));
  symlinkSync("../plain", at("deeper", "in"));
  linkSync(path.join(scratch, "secret"), at("hard"));
  for (const name of ["out", "deeper/absolute", "up/secret"]) {
    const file = at(name);
    assert.throws(
      () => readRegularText(file, { within: inside }),
      refused(
        "MAGDI_BAD_FILE",
        /expected a file inside .*inside, found a link to .*secret; copy the file there/,
      ),
      name,
    );
    assert.equal(readRegularText(file), "secret");
  }
  assert.equal(readRegularText(at("deeper", "in"), { within: inside }), "plain");
  assert.equal(readRegularText(at("hard"), { within: inside }), "secret");
  // A folder that is itself a link, and one whose name begins with the other's.
  symlinkSync("inside", path.join(scratch, "alias"));
  const alias = path.join(scratch, "alias");
  assert.equal(readRegularText(path.join(alias, "plain"), { within: alias }), "plain");
  mkdirSync(path.join(scratch, "inside-too"));
  writeFileSync(path.join(scratch, "inside-too", "other"), "other");
  symlinkSync("../inside-too/other", at("neighbour"));
  assert.throws(
    () => readRegularText(at("neighbour"), { within: inside }),
    refused("MAGDI_BAD_FILE", /inside-too/),
  );
});

test("a hub cache's snapshot links to its own repository's blobs, and to no other place", { skip }, () => {
  const repository = path.join(scratch, "hub", "models--tiny--llama");
  const snapshot = path.join(repository, "snapshots", "0123", "onnx");
  mkdirSync(snapshot, { recursive: true });
  mkdirSync(path.join(repository, "blobs"));
  writeFileSync(path.join(repository, "blobs", "abc"), "blob");
  symlinkSync("../../../blobs/abc", path.join(snapshot, "weights"));
  symlinkSync("../../../../../secret", path.join(snapshot, "out"));
  for (const within of [snapshot, path.dirname(snapshot)]) {
    assert.equal(readRegularText(path.join(snapshot, "weights"), { within }), "blob");
    assert.throws(
      () => readRegularText(path.join(snapshot, "out"), { within }),
      refused("MAGDI_BAD_FILE", /expected a file inside .*models--tiny--llama, found a link to .*secret/),
    );
  }
});

test("a file is read no further than allowed, however large it says that it is", () => {
  const sparse = at("sparse");
  writeFileSync(sparse, "");
  truncateSync(sparse, 2 ** 40);
  assert.throws(
    () => readRegularText(sparse),
    refused("MAGDI_BAD_FILE", /expected at most 67108864 bytes, found 1099511627776/),
  );
  assert.throws(
    () => readRegularText(at("plain"), { maxBytes: 4 }),
    refused("MAGDI_BAD_FILE", /at most 4 bytes/),
  );
  assert.equal(readRegularText(at("plain"), { maxBytes: 5 }), "plain");
  const { descriptor, sizeBytes } = openRegularFile(sparse);
  closeSync(descriptor);
  assert.equal(sizeBytes, 2 ** 40);
});

test("a file of the kernel that states no size gives nothing and blocks nobody", {
  skip: process.platform !== "linux",
}, () => {
  assert.equal(readRegularText("/proc/self/environ"), "");
});

test("a folder of documents is searched without following links to folders", { skip }, () => {
  const data = path.join(scratch, "data");
  mkdirSync(path.join(data, "sub.json"), { recursive: true });
  writeFileSync(path.join(data, "sub.json", "one.json"), "{}");
  symlinkSync("..", path.join(data, "sub.json", "a"));
  symlinkSync("..", path.join(data, "sub.json", "b"));
  assert.deepEqual(jsonFilesIn(data), [path.join(data, "sub.json", "one.json")]);
});
