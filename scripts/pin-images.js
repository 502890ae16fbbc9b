#!/usr/bin/env node
// Pins the images that the Dockerfile and the compose files take from registries to their digests, so that a tag that
// moves changes nothing here. Docker asks the registries.
//   node scripts/pin-images.js          writes each digest behind its tag
//   node scripts/pin-images.js --check  lists the images without one, and exits with 1 if there are any

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const ROOT = process.env.MAGDI_PIN_ROOT ?? path.join(import.meta.dirname, "..");
const FILES = [
  "Dockerfile",
  "deploy/compose.yaml",
  "deploy/compose.cuda.yaml",
  "deploy/prometheus/compose.yaml",
];
/** ARG NAME=IMAGE and image: IMAGE, with a tag. Ours have none, or a build beside them. */
const IMAGE = /^(ARG [A-Z]+=|\s*image: )((?!magdi\b)[\w./-]+:[\w.-]+)(@sha256:[0-9a-f]{64})?$/gm;

function digestOf(image) {
  const args = ["buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"];
  const digest = execFileSync("docker", args, { encoding: "utf8" }).trim();
  if (/^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  throw new Error(`${image}: expected a digest from docker buildx imagetools inspect, found ${digest}`);
}

const check = process.argv.includes("--check");
let unpinned = 0;
for (const name of FILES) {
  const file = path.join(ROOT, name);
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT") continue;
    throw error;
  }
  const pinned = text.replaceAll(IMAGE, (line, before, image, digest) => {
    if (check) {
      if (digest !== undefined) return line;
      unpinned += 1;
      console.log(`${name}: ${image} has no digest`);
      return line;
    }
    return `${before}${image}@${digestOf(image)}`;
  });
  if (pinned !== text) writeFileSync(file, pinned);
}
process.exitCode = unpinned > 0 ? 1 : 0;
