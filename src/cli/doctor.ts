// magdi doctor: what this machine lacks to serve a student, device by device, and the command that brings it.

import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { examine } from "../doctor/examination.ts";
import { Host } from "../doctor/host.ts";
import type { StudentNeeds } from "../doctor/resources.ts";
import { textReport } from "../doctor/text-report.ts";
import { cacheBytes } from "../engine/memory-need.ts";
import { contextTokens } from "../engine/open-engine.ts";
import { DEVICES, type Device } from "../runtime/device-name.ts";
import { TESTED_VERSIONS } from "../runtime/ort-library.ts";
import { loadConfig } from "../server/config.ts";
import { type Dtype, parseDtypes } from "../student/dtype.ts";
import { weightBytes } from "../student/manifest.ts";
import { openStudentFolder } from "../student/student-folder.ts";
import type { Command } from "./command.ts";
import { DEFAULT_STUDENT } from "./default-student.ts";

const HELP = `Usage: magdi doctor [options]

Looks at what serving needs: Node, ONNX Runtime (magdi was tested with ${TESTED_VERSIONS.join(", ")}), the processor's
instructions and quota, memory, disk, file descriptors; for webgpu the Vulkan loader and drivers; for cuda
NVIDIA's driver, ONNX Runtime's CUDA provider, the libraries that it is linked to and cuDNN. It opens and runs a
session on each device where one can be, and says what is missing and the command that brings it. It changes nothing.

  --device NAME    ${DEVICES.join(", ")}, or any (default): the device that shall serve
  --model DIR      the student folder that shall be served (default: the one that ships)
  --dtype DTYPE    its weights (default: the smallest that the folder holds)
  --json           all of it as JSON

The exit code is 0 when the device can serve (any: when one can), else 1.
`;

const OPTIONS = {
  device: { type: "string", default: "any" },
  model: { type: "string" },
  dtype: { type: "string" },
  json: { type: "boolean", default: false },
} as const;

function parseDevices(text: string): readonly Device[] {
  if (text === "any" || text === "auto") return DEVICES;
  const device = DEVICES.find((known) => known === text);
  if (device !== undefined) return [device];
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--device: expected ${DEVICES.join(", ")} or any, found "${text}"`,
  );
}

/** What the server's defaults make of the student. */
function needsOf(model: string, dtype: Dtype | undefined, device: Device): StudentNeeds {
  const folder = openStudentFolder(model, dtype, device);
  const { batchRows, contextLength, prefixCacheTokens } = loadConfig({ environment: process.env });
  const cache = { batchRows, contextLength: contextTokens(folder, contextLength), prefixCacheTokens };
  return {
    name: folder.manifest.name,
    dtype: folder.dtype,
    weightBytes: weightBytes(folder.manifest, folder.dtype),
    cacheBytes: cacheBytes(folder, cache),
  };
}

async function run(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS });
  const { model = DEFAULT_STUDENT } = values;
  const devices = parseDevices(values.device);
  const [dtype] = values.dtype === undefined ? [] : parseDtypes(values.dtype);
  const examination = await examine({
    host: new Host(),
    folder: process.cwd(),
    student:
      values.model === undefined && !existsSync(DEFAULT_STUDENT)
        ? null
        : needsOf(model, dtype, devices.length === 1 ? (devices[0] ?? "cpu") : "cpu"),
    devices,
  });
  const serves = examination.verdicts.some((verdict) => verdict.serves);
  const report = { device: values.device, serves, ...examination };
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : textReport(examination));
  return serves ? 0 : 1;
}

export const doctorCommand: Command = {
  name: "doctor",
  summary: "tell what this machine lacks to serve, and how to get it",
  help: HELP,
  run,
};
