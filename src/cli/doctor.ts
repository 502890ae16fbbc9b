// magdi doctor: what is missing on this machine to serve a student, by device, with the command that installs it.

import { existsSync } from "node:fs";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { DEFAULT_STUDENT } from "../base/package-files.ts";
import { bareFlag, oneOf, text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import type { Check } from "../doctor/check.ts";
import { examine } from "../doctor/examination.ts";
import { Host } from "../doctor/host.ts";
import type { StudentNeeds } from "../doctor/resources.ts";
import { textReport } from "../doctor/text-report.ts";
import { fullCacheBytes, planStudent } from "../engine/engine-settings.ts";
import { describePlan, type MemoryPlan } from "../engine/memory-plan.ts";
import { DEVICES, type Device } from "../runtime/device-name.ts";
import { TESTED_VERSIONS } from "../runtime/ort-library.ts";
import { loadConfig } from "../server/config.ts";
import { DTYPES, type Dtype } from "../student/dtype.ts";
import { FileCheck } from "../student/file-check.ts";
import { readManifest, weightBytes } from "../student/manifest.ts";
import { openStudentFolder } from "../student/open-student-folder.ts";
import { type Command, parseFlags } from "./command.ts";
import { studentFolder } from "./run-folder.ts";

const FLAGS = z.object({
  device: oneOf([...DEVICES, "any", "auto"], `${DEVICES.join(", ")} or any`)
    .default("any")
    .describe(`${DEVICES.join(", ")}, or any: the device to serve on`),
  model: text("a student folder", "DIR")
    .exactOptional()
    .describe("the student folder to serve (default: the bundled student)"),
  dtype: oneOf(DTYPES).exactOptional().describe("its weights (default: the smallest in the folder)"),
  student: text("a student folder", "DIR")
    .exactOptional()
    .describe("compare every file of this folder with the hash in its student.json, and serve it as --model"),
  json: bareFlag().describe("print the report as JSON"),
});

const HELP = `Usage: magdi doctor [options]

Checks what serving needs: Node, ONNX Runtime (magdi was tested with ${TESTED_VERSIONS.join(", ")}), the processor's
instructions and quota, memory, disk, file descriptors; for webgpu the Vulkan loader and drivers; for cuda
NVIDIA's driver, ONNX Runtime's CUDA provider, the libraries that it is linked to and cuDNN. It opens and runs a
session on each device where possible, and prints what is missing and the command that installs it. It changes nothing.

${helpLines(FLAGS)}

The exit code is 0 if the device can serve (any: if one can) and no file of --student was altered, otherwise 1.
`;

interface Served {
  readonly needs: StudentNeeds;
  readonly plan: Check;
}

/** Whether a student's files are those that were imported. @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE without a manifest */
async function filesCheck(folder: string): Promise<Check> {
  const check = new FileCheck(folder, readManifest(folder));
  const base = { name: "the student's files", device: null } as const;
  try {
    await check.all();
    return { ...base, status: "ok", found: `${check.checked.length} have their hashes`, remedy: null };
  } catch (error) {
    if (!(error instanceof MagdiError)) throw error;
    return { ...base, status: "missing", found: error.message, remedy: null };
  }
}

/** What the student needs when every row is full, and what magdi serve would take on the CPU, with the environment's
 * settings. */
function servedBy(model: string, dtype: Dtype | undefined, device: Device): Served {
  const folder = openStudentFolder(model, dtype, device);
  const settings = loadConfig({ environment: process.env });
  const needs = {
    name: folder.manifest.name,
    dtype: folder.dtype,
    weightBytes: weightBytes(folder.manifest, folder.dtype),
    cacheBytes: fullCacheBytes(folder, settings),
  };
  return { needs, plan: planCheck(() => planStudent(folder, "cpu", settings)) };
}

function planCheck(plan: () => MemoryPlan): Check {
  const base = { name: "serving", device: "cpu" } as const;
  try {
    const planned = plan();
    const found = describePlan(planned);
    if (planned.rowBudget === null) return { ...base, status: "ok", found, remedy: null };
    const remedy =
      "give it more memory where many long requests come at once: they take turns in what there is";
    return { ...base, status: "note", found, remedy };
  } catch (error) {
    if (!(error instanceof MagdiError) || error.code !== "MAGDI_BAD_CONFIG") throw error;
    return { ...base, status: "missing", found: error.message, remedy: null };
  }
}

async function run(argv: readonly string[]): Promise<number> {
  const { values } = parseFlags("doctor", argv, FLAGS);
  const { device, dtype } = values;
  const student = values.student === undefined ? undefined : await studentFolder(values.student);
  const model = values.model === undefined ? (student ?? DEFAULT_STUDENT) : await studentFolder(values.model);
  const devices = device === "any" || device === "auto" ? DEVICES : [device];
  const served =
    model === DEFAULT_STUDENT && !existsSync(DEFAULT_STUDENT)
      ? null
      : servedBy(model, dtype, devices.length === 1 ? (devices[0] ?? "cpu") : "cpu");
  const files = student === undefined ? null : await filesCheck(student);
  const examination = await examine({
    files,
    host: new Host(),
    folder: process.cwd(),
    student: served?.needs ?? null,
    plan: served?.plan ?? null,
    devices,
  });
  const serves = examination.verdicts.some((verdict) => verdict.serves) && files?.status !== "missing";
  const report = { device, serves, ...examination };
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : textReport(examination));
  return serves ? 0 : 1;
}

export const doctorCommand: Command = {
  name: "doctor",
  summary: "check what is missing on this machine to serve, and how to install it",
  help: HELP,
  run,
};
