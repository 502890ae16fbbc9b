// Students behind servers of their own, as agents of a debate, and what those servers count.

import { writeFileSync } from "node:fs";
import path from "node:path";
import { MetricsSnapshot } from "../server/metrics-snapshot.ts";
import { MAGDI_SERVE, ServerProcess } from "../server/server-process.ts";

const POLL_MS = 100;

/** What a server has answered, or what a journal has of an agent. */
export interface Counts {
  readonly calls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export interface AgentSettings {
  readonly temperature: number;
  readonly maxTokens: number;
  readonly concurrency: number;
  readonly threads: number | null;
}

interface ServedAgent {
  readonly name: string;
  readonly url: string;
  readonly model: string;
  readonly server: ServerProcess;
}

export class ServedAgents {
  readonly #agents: readonly ServedAgent[];
  readonly #settings: AgentSettings;

  private constructor(agents: readonly ServedAgent[], settings: AgentSettings) {
    this.#agents = agents;
    this.#settings = settings;
  }

  /** One server for each folder, on ports of the system's. @throws Error with a server's words when one does not start */
  static async start(folders: readonly string[], settings: AgentSettings): Promise<ServedAgents> {
    const threads = settings.threads === null ? [] : ["--threads", `${settings.threads}`];
    const servers = folders.map(
      (folder) =>
        new ServerProcess([
          ...[...MAGDI_SERVE, "--port", "0", "--log-level", "silent", ...threads],
          ...["--model", path.resolve(folder)],
        ]),
    );
    try {
      const agents = servers.map(async (server, index): Promise<ServedAgent> => {
        const url = await server.ready();
        const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: [{ id: string }] }; // our own server's
        return { name: `agent${index + 1}`, url, model: data[0].id, server };
      });
      return new ServedAgents(await Promise.all(agents), settings);
    } catch (error) {
      await end(servers);
      throw error;
    }
  }

  get names(): string[] {
    return this.#agents.map(({ name }) => name);
  }

  /** For `magdi debate --agents`. */
  writeFile(file: string): void {
    const { temperature, maxTokens, concurrency } = this.#settings;
    const agents = this.#agents.map(({ name, url, model }) => ({
      ...{ name, model, temperature, concurrency },
      ...{ base_url: `${url}/v1`, max_tokens: maxTokens, format: "text", timeout_s: 3600 },
    }));
    writeFileSync(file, `${JSON.stringify({ agents }, null, 2)}\n`);
  }

  /** What each has answered until now, by name. Waits for what still runs, whose callers may be gone. */
  async counts(): Promise<Map<string, Counts>> {
    const counts = this.#agents.map(async ({ name, url }): Promise<[string, Counts]> => {
      let metrics = await metricsOf(url);
      while (metrics.value("magdi_requests_running") + metrics.value("magdi_requests_waiting") > 0) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
        metrics = await metricsOf(url);
      }
      const answered = { endpoint: "/v1/chat/completions", status: "200" };
      return [
        name,
        {
          calls: metrics.sum("magdi_http_responses_total", answered),
          promptTokens: metrics.value("magdi_prompt_tokens_total"),
          completionTokens: metrics.value("magdi_generation_tokens_total"),
        },
      ];
    });
    return new Map(await Promise.all(counts));
  }

  async close(): Promise<void> {
    await end(this.#agents.map(({ server }) => server));
  }
}

async function metricsOf(url: string): Promise<MetricsSnapshot> {
  return new MetricsSnapshot(await (await fetch(`${url}/metrics`)).text());
}

async function end(servers: readonly ServerProcess[]): Promise<void> {
  for (const server of servers) server.kill("SIGKILL");
  await Promise.all(servers.map(({ exited }) => exited));
}

/** What was counted between two moments. */
export function since(
  before: ReadonlyMap<string, Counts>,
  after: ReadonlyMap<string, Counts>,
): Map<string, Counts> {
  const none: Counts = { calls: 0, promptTokens: 0, completionTokens: 0 };
  return new Map(
    [...after].map(([name, counts]) => {
      const { calls, promptTokens, completionTokens } = before.get(name) ?? none;
      return [
        name,
        {
          calls: counts.calls - calls,
          promptTokens: counts.promptTokens - promptTokens,
          completionTokens: counts.completionTokens - completionTokens,
        },
      ];
    }),
  );
}
