// Images are pinned to the digests that Docker tells: a program of its name tells them here.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { scratchFolder } from "../support/scratch-folder.ts";
import { parseDockerfile } from "./support/dockerfile.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");
const scratch = scratchFolder();
const FILES = ["Dockerfile", "deploy/compose.yaml", "deploy/compose.cuda.yaml"];

function pin(...args: readonly string[]) {
  return spawnSync(process.execPath, [path.join(ROOT, "scripts/pin-images.js"), ...args], {
    encoding: "utf8",
    env: { ...process.env, MAGDI_PIN_ROOT: scratch, PATH: `${scratch}:${process.env.PATH}` },
  });
}

test("every image of a registry gets its digest, ours none, and a second time changes nothing", {
  skip: process.platform === "win32",
}, () => {
  for (const name of FILES) {
    mkdirSync(path.dirname(path.join(scratch, name)), { recursive: true });
    cpSync(path.join(ROOT, name), path.join(scratch, name));
  }
  // A digest for each image: the SHA-256 of its name without one.
  const docker = path.join(scratch, "docker");
  writeFileSync(docker, `#!/bin/sh\nprintf 'sha256:%s' "$(printf %s "$4" | sha256sum | cut -c1-64)"\n`);
  chmodSync(docker, 0o755);
  const before = pin("--check");
  assert.equal(before.status, 1);
  for (const image of ["node:24", "python:3.12", "prom/prometheus:v3", "grafana/grafana:12"]) {
    assert.match(before.stdout, new RegExp(`: ${image}.* has no digest`));
  }
  assert.doesNotMatch(before.stdout, /magdi/);
  const run = pin();
  assert.equal(run.status, 0, run.stderr);
  assert.deepEqual([pin("--check").status, pin("--check").stdout], [0, ""]);
  const pinned = FILES.map((name) => readFileSync(path.join(scratch, name), "utf8"));
  const dockerfile = pinned[0] ?? "";
  assert.match(dockerfile, /^ARG NODE=node:24-bookworm-slim@sha256:[0-9a-f]{64}$/m);
  assert.equal(
    parseDockerfile(dockerfile).length,
    parseDockerfile(readFileSync(path.join(ROOT, "Dockerfile"), "utf8")).length,
  );
  assert.equal(pin().status, 0);
  assert.deepEqual(
    FILES.map((name) => readFileSync(path.join(scratch, name), "utf8")),
    pinned,
  );
});
