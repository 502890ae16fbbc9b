// Prometheus' own programs, where they are installed. It knows neither rules nor metrics.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

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

/** A Prometheus with this configuration, on a port of its own until the test ends; gives its address. */
export async function startPrometheus(
  t: TestContext,
  configFile: string,
  dataFolder: string,
  flags: readonly string[] = [],
): Promise<string> {
  const own = [
    `--config.file=${configFile}`,
    `--storage.tsdb.path=${dataFolder}`,
    "--web.listen-address=127.0.0.1:0",
  ];
  const child = spawn("prometheus", [...own, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
  const closed = once(child, "close");
  t.after(async () => {
    child.kill("SIGKILL");
    await closed;
  });
  let log = "";
  for await (const line of createInterface({ input: child.stderr })) {
    log += `${line}\n`;
    const address = /msg="Listening on" address=(\S+)/.exec(line)?.[1];
    if (address === undefined) continue;
    child.stderr.resume();
    return `http://${address}`;
  }
  throw new Error(`prometheus ended before it listened: ${log}`);
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Time in seconds and the value as a number's text. */
  readonly values: readonly (readonly [number, string])[];
}

/** What a query finds, at one time or, with `range`, at every step of seconds; null while Prometheus starts.
 * @throws with Prometheus' own words when it rejects the query. */
export async function queryPrometheus(
  url: string,
  promql: string,
  range?: { readonly start: number; readonly end: number; readonly step: number },
): Promise<Series[] | null> {
  const asked = new URLSearchParams({ query: promql });
  for (const [name, value] of Object.entries(range ?? {})) asked.set(name, String(value));
  const response = await fetch(`${url}/api/v1/query${range === undefined ? "" : "_range"}?${asked}`);
  if (response.status === 503) return null;
  const { status, data, error } = (await response.json()) as {
    status: string;
    error?: string;
    data: { result: { metric: Series["metric"]; value?: [number, string]; values?: Series["values"] }[] };
  }; // Prometheus' documented answers to queries of vectors
  if (status !== "success") throw new Error(`${promql}: ${error}`);
  return data.result.map(({ metric, value, values }) => ({
    metric,
    values: values ?? (value === undefined ? [] : [value]),
  }));
}
