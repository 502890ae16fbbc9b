// Prometheus' own programs, where they are installed. It knows neither rules nor metrics.
import { spawn, spawnSync } from "node:child_process";

/** Why a test of `program` cannot run here, for its skip option; false where it can. */
export function missing(program: "prometheus" | "promtool"): string | false {
  const { error } = spawnSync(program, ["--version"], { stdio: "ignore" });
  return error === undefined ? false : `${program} is not installed (Debian: apt-get install prometheus)`;
}

export interface ToolRun {
  readonly code: number | null;
  /** Both of its streams. */
  readonly output: string;
}

/** Runs promtool to its end. */
export async function promtool(args: readonly string[], input = "", cwd?: string): Promise<ToolRun> {
  const child = spawn("promtool", args, { cwd, stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
    });
  }
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject).on("close", resolve);
  });
  return { code, output };
}
