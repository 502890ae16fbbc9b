// The kernels' test program, built by the C compiler of this machine or by Zig's for another processor, and what is missing
// here for either. It does not know what the program checks.

import { execFile, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const NATIVE = path.join(ROOT, "native");
/** Where .ci/run and npm run native install the compiler for every platform. */
const ZIG = path.join(ROOT, ".cache/ziglang");

export const run = promisify(execFile);

function answers(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

/** For a test's options: why it cannot run here, or false. */
export const NO_SANITIZERS =
  process.platform === "linux" && answers("cc", "--version")
    ? false
    : "no C compiler of Linux here: install gcc";
export const NO_ZIG =
  existsSync(path.join(ZIG, "ziglang")) && answers("python3", "--version")
    ? false
    : "no Zig here: npm run native installs it";
export const NO_ARM64 =
  NO_ZIG !== false
    ? NO_ZIG
    : answers("qemu-aarch64", "--version")
      ? false
      : "no emulator of arm64 here: install qemu-user";

/** Sources that need no ONNX Runtime, and those of the tests. */
const SOURCES: readonly string[] = [
  ...[
    "packing",
    "scratch",
    "weight-memory",
    "instruction-set",
    "plain",
    "avx2",
    "avxvnni",
    "avx512vnni",
    "neon",
  ].map((name) => `src/${name}.c`),
  ...readdirSync(path.join(NATIVE, "test"))
    .filter((file) => file.endsWith(".c"))
    .map((file) => `test/${file}`),
];
const LANGUAGE = ["-std=c11", "-D_GNU_SOURCE", "-ffp-contract=off", "-fno-math-errno"];
const STRICT = ["-Wall", "-Wextra", "-Werror"];

/** The program under AddressSanitizer and UBSan, whose first finding ends it. Little is optimised: that takes minutes. */
export async function buildWithSanitizers(folder: string): Promise<string> {
  const checks = ["-Og", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  const objects = SOURCES.map((source) => path.join(folder, `${source.replace("/", "-")}.o`));
  // Two at a time, each compiler after its last file.
  const waiting = SOURCES.map((source, index) => [source, objects[index] ?? ""] as const);
  const compiler = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await run("cc", [...LANGUAGE, ...STRICT, ...checks, "-c", next[0], "-o", next[1]], { cwd: NATIVE });
    }
  };
  await Promise.all([compiler(), compiler()]);
  const program = path.join(folder, "kernels");
  await run("cc", [...checks, "-o", program, ...objects, "-lm"]);
  return program;
}

/** The program for arm64, without a need for that system's libraries. */
export async function buildForArm64(folder: string): Promise<string> {
  const program = path.join(folder, "kernels-arm64");
  const target = ["-target", "aarch64-linux-musl", "-static", "-O2", "-fno-sanitize=all"];
  const cache = path.join(ROOT, ".cache/zig");
  await run(
    "python3",
    ["-m", "ziglang", "cc", ...target, ...LANGUAGE, ...STRICT, "-o", program, ...SOURCES, "-lm"],
    {
      cwd: NATIVE,
      env: { ...process.env, PYTHONPATH: ZIG, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache },
    },
  );
  return program;
}
