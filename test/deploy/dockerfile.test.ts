// The Dockerfile as a text: what hadolint says, what it sends, who runs it, and that its variables are settings.
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SERVER_SETTINGS } from "../../src/server/config.ts";
import { lacks, runTool } from "../support/deploy-tools.ts";
import { BuildContext } from "./support/build-context.ts";
import { ancestry, imageConfig, parseDockerfile } from "./support/dockerfile.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const STAGES = parseDockerfile(readFileSync(path.join(ROOT, "Dockerfile"), "utf8"));
const TARGETS = ["cpu", "cuda"];

test("hadolint has no complaint about the Dockerfile", { skip: lacks("hadolint") }, async () => {
  const { code, output } = await runTool("hadolint", ["--failure-threshold", "style", "Dockerfile"], {
    cwd: ROOT,
  });
  assert.deepEqual({ code, output }, { code: 0, output: "" });
});

test("the default target is the last stage, the CPU's; the CUDA one is beside it", () => {
  assert.equal(STAGES.at(-1)?.name, "cpu");
  assert.deepEqual(
    // The digest that scripts/pin-images.js writes comes behind the tag.
    TARGETS.map((target) => ancestry(STAGES, target)[0]?.base.replace(/@sha256:[0-9a-f]{64}$/, "")),
    ["node:24-bookworm-slim", "node:24-bookworm-slim"],
  );
  const { instructions } = ancestry(STAGES, "cuda").at(-1) ?? { instructions: [] };
  assert.ok(instructions.every(({ name }) => name !== "USER" && name !== "RUN"));
});

test("both targets run the server itself, as a user by number without rights, and say how they are", () => {
  for (const target of TARGETS) {
    const image = imageConfig(STAGES, target);
    assert.equal(image.user, "1000:1000");
    assert.deepEqual(image.entrypoint.concat(image.command), ["node", "bin/magdi.js", "serve"]);
    assert.deepEqual(image.healthCheck, ["node", "health.js"]);
    assert.deepEqual(image.ports, [image.environment.MAGDI_PORT]);
    assert.equal(image.environment.MAGDI_HOST, "0.0.0.0");
    const variables = Object.keys(image.environment).filter((name) => name.startsWith("MAGDI_"));
    const known = SERVER_SETTINGS.map(({ variable }) => variable);
    assert.deepEqual(
      variables.filter((name) => !known.includes(name)),
      [],
    );
  }
});

test("what a stage runs is a script of the repository that may be executed", () => {
  const commands = STAGES.flatMap(({ instructions }) => instructions)
    .filter(({ name }) => name === "RUN")
    .flatMap(({ words }) => words.filter((_, at) => at === 0 || words[at - 1] === "&&"));
  assert.ok(commands.length >= 5);
  for (const command of commands) {
    assert.match(command, /^deploy\/image\/[\w-]+\.sh$/);
    assert.ok(statSync(path.join(ROOT, command)).mode & 0o111, `${command} may not be executed`);
  }
});

test("what is sent to the builder is what the stages copy, and small", () => {
  const context = new BuildContext(ROOT);
  const files = context.files();
  const tops = new Set(files.map((file) => file.split("/")[0]));
  for (const name of ["node_modules", ".git", "dist", "test", "docs", "loadtest", "examples", ".cache"])
    assert.ok(!tops.has(name), name);
  const copied = STAGES.flatMap(({ instructions }) => instructions)
    .filter(({ name, flags }) => name === "COPY" && flags.from === undefined)
    .flatMap(({ words }) => words.slice(0, -1));
  const uncopied = files.filter(
    (file) => !copied.some((name) => file === name || file.startsWith(`${name}/`)),
  );
  assert.deepEqual(uncopied, []);
  for (const name of copied)
    assert.ok(
      files.some((file) => file === name || file.startsWith(`${name}/`)),
      `${name} is copied but not sent`,
    );
  const sizes = files
    .filter((file) => !file.startsWith("models/"))
    .map((file) => statSync(path.join(ROOT, file)).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total < 4e6, `${total} bytes besides the student`);
});
