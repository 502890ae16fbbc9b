// hadolint and Docker Compose as they are released, where .ci/run or somebody else has installed them. It knows no files
// of ours.
import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ToolRun } from "./prometheus-tools.ts";

export type DeployTool = "hadolint" | "docker-compose";

/** Where .ci/run puts them. */
const FOLDER = fileURLToPath(new URL("../../.cache/tools/bin", import.meta.url));
const env = { ...process.env, PATH: `${FOLDER}:${process.env.PATH}` };

/** Why a test with `tool` cannot run here, for its skip option; false where it can. */
export function lacks(tool: DeployTool): string | false {
  const { error } = spawnSync(tool, ["--version"], { stdio: "ignore", env });
  return error === undefined
    ? false
    : `${tool} is not installed (pip install --target .cache/tools -r .ci/tools.txt)`;
}

export interface SeparateRun extends ToolRun {
  readonly stdout: string;
}

/** Runs a tool to its end. */
export function runTool(
  tool: DeployTool,
  args: readonly string[],
  options: { readonly cwd: string; readonly environment?: NodeJS.ProcessEnv },
): Promise<SeparateRun> {
  return new Promise((resolve) => {
    const given = { cwd: options.cwd, env: { ...env, ...options.environment } };
    execFile(tool, args, given, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : null;
      resolve({ code, stdout, output: stdout + stderr });
    });
  });
}
