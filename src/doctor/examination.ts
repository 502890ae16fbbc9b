// All checks of a machine, and the verdict on each device: whether it can serve.

import path from "node:path";
import { unavailable } from "../runtime/device.ts";
import { DEVICES, type Device } from "../runtime/device-name.ts";
import { libraryPath, OrtLibrary } from "../runtime/ort-library.ts";
import type { Check } from "./check.ts";
import { distributionName } from "./distribution.ts";
import { float16Check } from "./float16.ts";
import type { Host } from "./host.ts";
import { nvidiaChecks } from "./nvidia.ts";
import { instructionCheck, quotaCheck } from "./processor.ts";
import { kernelCheck, nodeCheck, runtimeCheck } from "./programs.ts";
import { descriptorCheck, diskCheck, memoryCheck, type StudentNeeds } from "./resources.ts";
import { vulkanChecks } from "./vulkan.ts";

export interface Verdict {
  readonly device: Device;
  /** Whether a student can be served on it. */
  readonly serves: boolean;
  /** Why not; null when it serves. */
  readonly reason: string | null;
}

export interface Examination {
  readonly system: string;
  readonly checks: readonly Check[];
  readonly verdicts: readonly Verdict[];
}

export interface ExaminationOptions {
  readonly host: Host;
  /** Its disk is checked. */
  readonly folder: string;
  /** Null where there is no student to serve. */
  readonly student: StudentNeeds | null;
  /** What a server on the CPU would take of the memory; null where there is no student to serve. */
  readonly plan?: Check | null;
  /** Whether the student's files are those that were imported; null when that was not asked. */
  readonly files?: Check | null;
  /** The devices to check. */
  readonly devices: readonly Device[];
}

/** Checks the machine, and opens and runs a session on each of the devices. */
export async function examine(options: ExaminationOptions): Promise<Examination> {
  const { host, folder, student, plan = null, devices } = options;
  const runtime = runtimeCheck();
  const general = [
    nodeCheck(process.version),
    runtime,
    ...(student === null ? [] : [memoryCheck(host, student)]),
    ...(plan === null ? [] : [plan]),
    ...(options.files ? [options.files] : []),
    diskCheck(folder),
    descriptorCheck(host),
  ];
  const common = general.find((check) => check.status === "missing" && check !== plan);
  const needsFloat16 = student?.dtype === "fp16" || student?.dtype === "q4f16";
  const checks = [...general];
  const verdicts: Verdict[] = [];
  for (const device of DEVICES.filter((known) => devices.includes(known))) {
    const own = checksOf(device, host, runtime.status === "ok");
    const refused = runtime.status === "ok" ? await unavailable(device) : runtime.found;
    if (refused === null) {
      const float16 = await float16Check(device, needsFloat16);
      checks.push(...own.map(asNote), sessionCheck(device, null), float16);
      const last = device === plan?.device ? [float16, plan] : [float16];
      const lacking = common ?? last.find(({ status }) => status === "missing");
      verdicts.push({
        device,
        serves: lacking === undefined,
        reason: lacking === undefined ? null : describe(lacking),
      });
    } else {
      checks.push(...own, sessionCheck(device, refused));
      const lacking = own.find(({ status }) => status === "missing");
      verdicts.push({ device, serves: false, reason: lacking === undefined ? refused : describe(lacking) });
    }
  }
  const system = host.platform === "linux" ? distributionName(host) : host.platform;
  return { system: `${system}, ${host.architecture}`, checks, verdicts };
}

const describe = ({ name, found }: Check): string => `${name}: ${found}`;

function checksOf(device: Device, host: Host, library: boolean): Check[] {
  if (device === "cpu") return [instructionCheck(host), kernelCheck(), quotaCheck(host)];
  if (device === "webgpu") return vulkanChecks(host);
  const place = library
    ? { folder: path.dirname(libraryPath()), version: OrtLibrary.load().version }
    : { folder: "onnxruntime-node", version: "" };
  return nvidiaChecks(host, place);
}

/** A session ran on the device, so what we did not find is somewhere else. */
function asNote(check: Check): Check {
  if (check.status !== "missing") return check;
  return { ...check, status: "note", found: `${check.found}; yet a session runs`, remedy: null };
}

function sessionCheck(device: Device, refused: string | null): Check {
  const name = "a session";
  if (refused === null) return { name, device, status: "ok", found: "opened, run and closed", remedy: null };
  return { name, device, status: "missing", found: refused, remedy: null };
}
