// The command magdi doctor as users run it, on this very machine.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { COMMAND, type Finished, magdi } from "../support/magdi-command.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { NO_SOFTWARE_GPU, SOFTWARE_GPU_ENVIRONMENT } from "../support/software-gpu.ts";
import { importTiny } from "../support/tiny-students.ts";

const folder = scratchFolder();

interface Report {
  readonly serves: boolean;
  readonly verdicts: readonly {
    readonly device: string;
    readonly serves: boolean;
    readonly reason: string | null;
  }[];
  readonly checks: readonly {
    readonly name: string;
    readonly device: string | null;
    readonly status: string;
    readonly found: string;
    readonly remedy: string | null;
  }[];
}

async function tinyStudentFolder(): Promise<string> {
  const base = path.join(folder, "base");
  writeRandomBase(base, { tokenizer: true });
  const { q4 } = await importTiny(base, path.join(folder, "student"), ["q4", "q4f16"]);
  return q4.path;
}
const student = tinyStudentFolder();

function doctorIn(environment: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Finished> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...environment };
    execFile(process.execPath, [COMMAND, "doctor", ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: Number(error?.code ?? 0), stdout, stderr });
    });
  });
}

test("the processor can serve here, and all devices are told of, in text and in JSON", async () => {
  const { code, stdout } = await magdi("doctor", "--model", await student);
  assert.equal(code, 0);
  assert.match(stdout, /^ {2}ok {7}Node: v\d+/m);
  assert.match(stdout, /^cpu: can serve\n(?: .*\n)* {2}ok {7}a session: opened, run and closed$/m);
  assert.match(stdout, /^webgpu: can/m);
  assert.match(stdout, /^cuda: can/m);

  const json = await magdi("doctor", "--device", "cpu", "--json", "--model", await student);
  assert.equal(json.code, 0);
  const report = JSON.parse(json.stdout) as Report;
  assert.deepEqual(report.verdicts, [{ device: "cpu", serves: true, reason: null }]);
  assert.ok(report.checks.every(({ device }) => device === null || device === "cpu"));
  assert.match(report.checks.find(({ name }) => name === "memory")?.found ?? "", /student in q4 takes/);
});

test("a device that cannot serve is exit code 1, with the reason; an unknown one is 2", async () => {
  const { code, stdout } = await doctorIn(
    { VK_ICD_FILENAMES: "/nowhere/icd.json", VK_DRIVER_FILES: "/nowhere/icd.json" },
    "--device",
    "webgpu",
    "--json",
    "--model",
    await student,
  );
  assert.equal(code, 1);
  const report = JSON.parse(stdout) as Report;
  assert.equal(report.serves, false);
  assert.match(report.verdicts[0]?.reason ?? "", /^Vulkan (loader|drivers): no /);
  assert.match(
    report.checks.find(({ name }) => name === "a session")?.found ?? "",
    /^Failed to get a WebGPU adapter/,
  );
  const unknown = await magdi("doctor", "--device", "tpu");
  assert.deepEqual([unknown.code, unknown.stdout], [2, ""]);
  assert.match(unknown.stderr, /--device: expected cpu, webgpu, cuda or any, found "tpu"/);
});

test("a session really runs on the software GPU, which has no float16", {
  skip: NO_SOFTWARE_GPU,
}, async () => {
  const args = ["--device", "webgpu", "--json", "--model", await student];
  const { code, stdout } = await doctorIn(SOFTWARE_GPU_ENVIRONMENT, ...args);
  assert.equal(code, 0, stdout);
  const { checks } = JSON.parse(stdout) as Report;
  const statuses = Object.fromEntries(
    checks.filter(({ device }) => device === "webgpu").map(({ name, status }) => [name, status]),
  );
  assert.equal(statuses["Vulkan loader"], "ok");
  assert.equal(statuses["Vulkan drivers"], "warning");
  assert.equal(statuses["a session"], "ok");
  assert.equal(statuses.float16, "note");

  const halves = await doctorIn(SOFTWARE_GPU_ENVIRONMENT, ...args, "--dtype", "q4f16");
  assert.equal(halves.code, 1);
  const [verdict] = (JSON.parse(halves.stdout) as Report).verdicts;
  assert.deepEqual(verdict, { device: "webgpu", serves: false, reason: "float16: the device has none" });
});
