// The package as npm has it: packed, installed in an empty folder without our lockfile, started and asked.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { ReasonResponse } from "../../src/server/reason/schema.ts";
import { ServeProcess } from "../e2e/serve-process.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const { version } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as { version: string };
const run = promisify(execFile);
const folder = scratchFolder();
const installed = path.join(folder, "installed");
/** The package has no weights: the checkout's. */
const STUDENT = path.join(ROOT, "models/smollm2-135m-instruct");
mkdirSync(installed);

/** Runs npm or npx in a folder; `npm test` tells its children of the checkout, which they must not act on. */
async function inFolder(cwd: string, program: "npm" | "npx", ...args: string[]): Promise<string> {
  const { npm_config_local_prefix: _, ...env } = process.env;
  const { stdout } = await run(program, args, { cwd, env, shell: process.platform === "win32" });
  return stdout;
}

/** The tarball, as CONTRIBUTING.md says to make it. It is made of a copy, since packing builds dist/. */
async function pack(): Promise<string> {
  const checkout = path.join(folder, "checkout");
  const sources = ["package.json", "tsconfig.json", "tsconfig.build.json", "LICENSE", "README.md"];
  for (const name of [...sources, "bin", "native/bin", "scripts", "src"]) {
    cpSync(path.join(ROOT, name), path.join(checkout, name), { recursive: true });
  }
  symlinkSync(path.join(ROOT, "node_modules"), path.join(checkout, "node_modules"), "dir");
  await inFolder(checkout, "npm", "pack", "--ignore-scripts=false", "--pack-destination", folder);
  return path.join(folder, `magdi-${version}.tgz`);
}

/** Why the registry could not be asked; null when the package is installed. */
async function install(tarball: string): Promise<string | null> {
  const options = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=1"];
  try {
    await inFolder(installed, "npm", "install", "--prefix", installed, ...options, tarball);
    return null;
  } catch (error) {
    const { stderr } = error as { stderr: string }; // as execFile rejects
    const unreachable =
      /^npm error code (E(?:NOTFOUND|AI_AGAIN|CONN\w+|TIMEDOUT|NOTCACHED|50\d)|ERR_SOCKET\w*)$/m;
    const code = unreachable.exec(stderr)?.[1];
    if (code === undefined) throw error;
    return `npm's registry cannot be reached: ${code}`;
  }
}

test("the packed package, installed with what its ranges allow, starts and answers", async (t) => {
  const unreachable = await install(await pack());
  if (unreachable !== null) return t.skip(unreachable);

  await t.test("magdi --version", async () => {
    assert.equal((await inFolder(installed, "npx", "magdi", "--version")).trim(), version);
  });

  await t.test("magdi doctor", async () => {
    const report = await inFolder(installed, "npx", "magdi", "doctor", "--device", "cpu");
    assert.match(report, /^ {2}ok {7}ONNX Runtime: \d+\.\d+\.\d+, loaded$/m);
    assert.match(report, /^ {2}ok {7}own operators: [a-z0-9]+$/m);
    assert.match(report, /^cpu: can serve$/m);
  });

  await t.test("magdi serve without a student says how to get one, and so does the library", async () => {
    await assert.rejects(inFolder(installed, "npx", "magdi", "serve", "--port", "0"), {
      code: 1,
      stderr:
        /^magdi serve: expected a student, found none .*magdi import .* --out student.*--model student/m,
    });
    const script = `import { openStudent } from "magdi"; await openStudent();`;
    await assert.rejects(run(process.execPath, ["--input-type=module", "-e", script], { cwd: installed }), {
      stderr: /MAGDI_FILE_MISSING|expected a student, found none/,
    });
  });

  await t.test("magdi serve, asked through magdi/client", async (t) => {
    const server = new ServeProcess(t, [
      path.join(installed, "node_modules/magdi/bin/magdi.js"),
      "serve",
      "--model",
      STUDENT,
      "--port",
      "0",
    ]);
    const script = `
      import { MagdiClient } from "magdi/client";
      const client = new MagdiClient({ baseUrl: ${JSON.stringify(await server.ready())} });
      const question = "Tom has 3 apples and buys 4 more. How many apples has he now?";
      const request = { question, samples: 2, max_tokens: 24, early_stop: "off", return_samples: true };
      console.log(JSON.stringify(await client.reason(request)));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: installed });
    const { model, samples }: ReasonResponse = JSON.parse(stdout);
    assert.equal(model, "smollm2-135m-instruct");
    assert.equal(samples?.length, 2);
    // English, rather than what a runtime that computes wrongly makes of it.
    for (const { text, tokens } of samples) assert.ok(tokens > 2 && /[a-z]{3}/i.test(text), text);
    server.kill("SIGTERM");
    assert.equal(await server.exited, 0);
  });

  await t.test("a student without a server, and the vote of a pipe", async () => {
    const script = `
      import { openStudent } from "magdi";
      const student = await openStudent(${JSON.stringify(STUDENT)}, { contextLength: 256 });
      const { answer, samples } = await student.ask({ question: "What is 2 + 2?", samples: 2, maxTokens: 8 }).result;
      console.log(JSON.stringify([answer, samples.length]));
      await student.close();`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], { cwd: installed });
    assert.equal(JSON.parse(stdout)[1], 2);
    writeFileSync(
      path.join(installed, "texts.jsonl"),
      '{"task":"math","samples":[{"text":"So it is 4."}]}\n',
    );
    assert.equal(JSON.parse(await inFolder(installed, "npx", "magdi", "vote", "texts.jsonl")).answer, "4");
  });
});
