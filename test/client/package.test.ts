// The package as others have it: magdi/client built, installed in a folder elsewhere, its types and the examples tried.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { runTiny } from "../server/support/running-app.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TSC = path.join(ROOT, "node_modules/typescript/bin/tsc");
const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const run = promisify(execFile);
const folder = scratchFolder();

/** A project of somebody else's, with the built client as its dependency. */
async function consumer(folder: string): Promise<void> {
  const installed = path.join(folder, "node_modules/magdi");
  mkdirSync(installed, { recursive: true });
  cpSync(path.join(ROOT, "package.json"), path.join(installed, "package.json"));
  const project = path.join(folder, "tsconfig.build.json");
  writeJson(project, {
    extends: path.join(ROOT, "tsconfig.build.json"),
    compilerOptions: {
      rootDir: path.join(ROOT, "src"),
      outDir: path.join(installed, "dist"),
      typeRoots: [path.join(ROOT, "node_modules/@types")],
      paths: {},
    },
    files: [path.join(ROOT, "src/client/index.ts")],
    include: [],
  });
  await run(process.execPath, [TSC, "-p", project]);
  for (const name of ["ws", "zod", "openai"]) {
    symlinkSync(path.join(ROOT, "node_modules", name), path.join(folder, "node_modules", name), "dir");
  }
  writeJson(path.join(folder, "package.json"), { name: "consumer", type: "module", private: true });
  cpSync(path.join(ROOT, "examples"), path.join(folder, "examples"), { recursive: true });
}

function writeJson(file: string, value: object): void {
  writeFileSync(file, JSON.stringify(value));
}

test("magdi/client is importable, typed without Node's types, and the examples do what they say", async (t) => {
  await consumer(folder);
  const { server } = await runTiny(t, { contextLength: 4096 });
  const environment = { ...process.env, MAGDI_URL: server.url };
  const example = async (name: string, ...args: string[]) => {
    const parameters = ["--import", TSX, path.join(folder, "examples", name), ...args];
    return (await run(process.execPath, parameters, { cwd: folder, env: environment })).stdout;
  };
  const answering = (answer: string) =>
    `How many? {{${"Let me think. ".repeat(20)}The answer is ${answer}.}}`;

  await t.test("plain JavaScript", async () => {
    const script = `
      import * as client from "magdi/client";
      const { answer } = await new client.MagdiClient({ baseUrl: process.env.MAGDI_URL })
        .reason({ question: "How many? {{The answer is 4.}}" });
      console.log(Object.keys(client).join(" "), answer);`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", script], {
      cwd: folder,
      env: environment,
    });
    assert.match(stdout, /\bMagdiApiError\b.*\bMagdiClient\b.* 4\n$/);
  });

  await t.test("types, with a browser's library and none of Node's", async () => {
    writeFileSync(
      path.join(folder, "consumer.ts"),
      `import { MagdiClient, type ReasonResponse } from "magdi/client";
      const client = new MagdiClient({ baseUrl: "/", fetch, WebSocket });
      const whole: Promise<ReasonResponse> = client.reason({ question: "?", choices: ["a", { label: "B", text: "b" }] });
      for await (const frame of client.reasonStream({ question: "?" })) if (frame.type === "token") frame.text.length;
      // @ts-expect-error a field that there is not
      client.reason({ question: "?", sample: 3 });
      // @ts-expect-error a value that there is not
      client.reason({ question: "?", vote: "loud" });
      // @ts-expect-error whether it is streamed is the method's business
      client.reason({ question: "?", stream: true });
      export const answer: string | null = (await whole).answer;`,
    );
    writeJson(path.join(folder, "tsconfig.json"), {
      compilerOptions: {
        target: "es2022",
        lib: ["es2023", "dom", "dom.iterable"],
        module: "nodenext",
        types: [],
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
      },
      files: ["consumer.ts"],
    });
    await run(process.execPath, [TSC, "-p", folder], { cwd: folder }).catch((error) => {
      assert.fail(String(error.stdout));
    });
  });

  await t.test("examples/reason.ts", async () => {
    const printed = await example("reason.ts", answering("[77]"));
    assert.match(printed, /^answer: 7\n\d of 5 said 7\n/);
    assert.match(printed, /\d+ tokens; a debate takes 642\.3\n$/);
    await assert.rejects(example("reason.ts", ""), ({ code, stderr }) => {
      assert.equal(code, 1);
      assert.match(stderr, /refused \(400 invalid_request_error\): question: /);
      return true;
    });
  });

  await t.test("examples/stream.ts", async () => {
    const printed = await example("stream.ts", answering("7"));
    assert.match(printed, /^Let me think\. .*The answer is 7\.\n/);
    assert.match(printed, /sample \d says 7\n/);
    assert.match(printed, /answer: 7 \((exact|complete)\)\n$/);
  });

  await t.test("examples/socket.ts", async () => {
    const questions = [answering("7"), answering("8")];
    const printed = (await example("socket.ts", ...questions)).split("\n");
    assert.deepEqual(printed.slice(0, 2), [`${questions[0]} 7`, `${questions[1]} 8`]);
    assert.match(printed[2] ?? "", /^(enough|complete) after [2-8] of 8 samples$/);
    assert.deepEqual(printed.slice(3), ["ended: cancelled", ""]);
  });

  await t.test("examples/openai-client.ts", async () => {
    const printed = (await example("openai-client.ts", "Say {{hello}}")).split("\n");
    assert.deepEqual(printed, ["model: tiny", "0: hello", "1: hello", "hello", "6 tokens", ""]);
  });
});
