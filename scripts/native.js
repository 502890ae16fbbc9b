// Builds the kernels' shared libraries for every platform, from one machine: npm run native [-- --out FOLDER] [PLATFORM…].
// The compiler is installed into .cache/ziglang by pip, of the version and with the hash in native/requirements.txt.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SOURCES = path.join(ROOT, "native/src");
const CACHE = path.join(ROOT, ".cache");
const COMPILER = path.join(CACHE, "ziglang");

/** By Node's names: Zig's target, and the library's name. glibc 2.17 is older than what ONNX Runtime's library asks for. */
const PLATFORMS = {
  "linux-x64": { target: "x86_64-linux-gnu.2.17", library: "libmagdi-kernels.so" },
  "linux-arm64": { target: "aarch64-linux-gnu.2.17", library: "libmagdi-kernels.so" },
  "darwin-x64": { target: "x86_64-macos.11.0", library: "libmagdi-kernels.dylib" },
  "darwin-arm64": { target: "aarch64-macos.11.0", library: "libmagdi-kernels.dylib" },
  "win32-x64": { target: "x86_64-windows-gnu", library: "magdi-kernels.dll" },
};

// A product and a sum are one rounding only where the source says so: results are equal to the bit on every processor.
const FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-g0", "-fvisibility=hidden", "-ffp-contract=off"];
const WARNINGS = ["-fno-math-errno", "-fno-sanitize=all", "-Wall", "-Wextra", "-Werror"];

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { stdio: "inherit", ...options });
  if (error !== undefined || status !== 0) {
    throw new Error(
      `${command} ${args.slice(0, 3).join(" ")} … failed: ${error?.message ?? `exit ${status}`}`,
    );
  }
}

function installCompiler() {
  if (existsSync(path.join(COMPILER, "ziglang"))) return;
  const listed = path.join(ROOT, "native/requirements.txt");
  const pip = [
    "-m",
    "pip",
    "install",
    "--quiet",
    "--disable-pip-version-check",
    "--require-hashes",
    "--no-deps",
  ];
  run("python3", [...pip, "--target", COMPILER, "-r", listed], {
    env: { ...process.env, PIP_ROOT_USER_ACTION: "ignore" },
  });
}

/** Runs Zig's clang in the folder of the sources. */
function compile(args) {
  run("python3", ["-m", "ziglang", "cc", ...args], {
    cwd: SOURCES,
    env: {
      ...process.env,
      PYTHONPATH: COMPILER,
      ZIG_GLOBAL_CACHE_DIR: path.join(CACHE, "zig"),
      ZIG_LOCAL_CACHE_DIR: path.join(CACHE, "zig"),
    },
  });
}

function build(name, out) {
  const { target, library } = PLATFORMS[name];
  const folder = path.join(out, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const sources = readdirSync(SOURCES)
    .filter((file) => file.endsWith(".c"))
    .sort();
  // What else would be written into the library is the path that it is built at.
  const named = name.startsWith("darwin") ? [`-Wl,-install_name,@rpath/${library}`] : [];
  const code = name.startsWith("win32") ? [] : ["-fPIC", ...named];
  compile([
    "-target",
    target,
    ...FLAGS,
    ...WARNINGS,
    ...code,
    "-shared",
    "-s",
    "-o",
    path.join(folder, library),
    ...sources,
  ]);
  for (const file of readdirSync(folder)) if (file !== library) rmSync(path.join(folder, file));
}

const { values, positionals } = parseArgs({ options: { out: { type: "string" } }, allowPositionals: true });
const wanted = positionals.length > 0 ? positionals : Object.keys(PLATFORMS);
for (const name of wanted) {
  if (!(name in PLATFORMS))
    throw new Error(`expected one of ${Object.keys(PLATFORMS).join(", ")}, found ${name}`);
}
installCompiler();
for (const name of wanted) build(name, path.resolve(values.out ?? path.join(ROOT, "native/bin")));
