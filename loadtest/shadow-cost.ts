// npm run shadow-cost: what debating every answered question in the background does to the answers of /v1/reason, as p50 and
// p95 without and with --shadow-share 1, in alternating rounds on two servers. The agents are two endpoints of this process
// that answer after a while, so that only the server's own work is measured.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { DEFAULT_STUDENT } from "../src/base/package-files.ts";
import { spreadOf } from "./bench/statistics.ts";
import { MAGDI_SERVE, ServerProcess } from "./server/server-process.ts";

const QUESTIONS = new URL("./requests/questions.json", import.meta.url);
const AGENTS = ["first", "second"];

/** Says one thing for every agent but the last, so that each debate goes through all its rounds. */
async function agentServer(delayMs: number): Promise<Server> {
  const server = createServer(async (request, response) => {
    const { model } = (await json(request)) as { readonly model: string }; // the server's own request
    const answer = model === AGENTS.at(-1) ? 1 : 2;
    const content = JSON.stringify({ reasoning: "It is so. ".repeat(40), answer, confidence_level: 0.8 });
    const body = JSON.stringify({
      model,
      choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
      usage: { prompt_tokens: 200, completion_tokens: 100 },
    });
    setTimeout(() => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(body);
    }, delayMs);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return server;
}

function magdi(model: string, flags: readonly string[]): ServerProcess {
  return new ServerProcess([
    ...[...MAGDI_SERVE, "--port", "0", "--log-level", "silent", "--prefix-cache-tokens", "0"],
    ...["--model", model, ...flags],
  ]);
}

/** Milliseconds of each answer, at a given concurrency. */
async function round(
  url: string,
  questions: readonly string[],
  amounts: { readonly requests: number; readonly connections: number; readonly maxTokens: number },
  firstSeed: number,
): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    for (let index = next++; index < amounts.requests; index = next++) {
      const question = questions[index % questions.length];
      const startMs = performance.now();
      const response = await fetch(`${url}/v1/reason`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          question,
          samples: 3,
          max_tokens: amounts.maxTokens,
          seed: firstSeed + index,
        }),
      });
      if (!response.ok) throw new Error(await response.text());
      await response.arrayBuffer();
      times.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: amounts.connections }, client));
  return times;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** Debates in the background that have come to an end. */
async function debatesOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.matchAll(/^magdi_debates_total\{purpose="shadow".*\} (\d+)$/gm);
  return [...lines].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: DEFAULT_STUDENT },
      rounds: { type: "string", default: "5" },
      requests: { type: "string", default: "40" },
      connections: { type: "string", default: "4" },
      "max-tokens": { type: "string", default: "48" },
      "agent-delay-ms": { type: "string", default: "200" },
    },
  });
  const amounts = {
    requests: Number(values.requests),
    connections: Number(values.connections),
    maxTokens: Number(values["max-tokens"]),
  };
  const asked = JSON.parse(readFileSync(QUESTIONS, "utf8")) as { question: string }[]; // a file of ours
  const questions = asked.map(({ question }) => question);
  const agents = await agentServer(Number(values["agent-delay-ms"]));
  const { port } = agents.address() as AddressInfo; // a listening TCP server's is an object
  const folder = mkdtempSync(join(tmpdir(), "magdi-shadow-"));
  const file = join(folder, "agents.json");
  const agent = (name: string) => ({ name, base_url: `http://127.0.0.1:${port}/v1`, model: name });
  writeFileSync(file, JSON.stringify({ agents: AGENTS.map(agent) }));
  const shadow = ["--shadow-share", "1", "--shadow-tokens-per-day", "1000000000", "--shadow-queue", "100000"];
  const servers = [
    { name: "without", process: magdi(values.model, []) },
    { name: "with", process: magdi(values.model, ["--agents", file, ...shadow]) },
  ];
  const times: number[][][] = servers.map(() => []);
  try {
    const urls: string[] = [];
    for (const { process: server } of servers) urls.push(await server.ready());
    for (const url of urls) await round(url, questions, { ...amounts, requests: amounts.connections }, 0); // warms up
    for (let number = 0; number < Number(values.rounds); number++) {
      const order = number % 2 === 0 ? [0, 1] : [1, 0];
      for (const index of order) {
        const firstSeed = 1000 * (number + 1);
        times[index]?.push(await round(urls[index] ?? "", questions, amounts, firstSeed));
      }
      process.stderr.write(`round ${number + 1} of ${values.rounds}\n`);
    }
    console.log("| --shadow-share | p50 ms | p95 ms | p95 / without |\n|---|---|---|---|");
    const p95s = times.map((rounds) => rounds.map((one) => quantile(one, 0.95)));
    for (const [index, { name }] of servers.entries()) {
      const own = times[index] ?? [];
      const p50 = spreadOf(own.map((one) => quantile(one, 0.5)));
      const p95 = spreadOf(p95s[index] ?? []);
      const ratio = spreadOf((p95s[index] ?? []).map((ms, number) => ms / (p95s[0]?.[number] ?? Number.NaN)));
      const text = ({ median, lowest, highest }: typeof p50, digits: number) =>
        `${median.toFixed(digits)} (${lowest.toFixed(digits)}–${highest.toFixed(digits)})`;
      console.log(`| ${name} | ${text(p50, 0)} | ${text(p95, 0)} | ${text(ratio, 2)} |`);
    }
    console.log(`${await debatesOf(urls[1] ?? "")} debates came to an end meanwhile`);
  } finally {
    for (const { process: server } of servers) server.kill("SIGTERM");
    await Promise.all(servers.map(({ process: server }) => server.exited));
    agents.close();
    agents.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
