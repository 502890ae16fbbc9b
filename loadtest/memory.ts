// npm run memory: a thousand requests against the default student, some dropped half-way, and the server's resident
// memory after a hundred and after all of them. The server is a process of its own.

import { parseArgs } from "node:util";
import { MetricsSnapshot } from "./server/metrics-snapshot.ts";
import { MAGDI_SERVE, ServerProcess } from "./server/server-process.ts";

const CONCURRENCY = 8;
const WORDS = ["apples", "trains", "rivers", "letters", "bridges", "stars", "coins", "seeds"];

async function residentBytes(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return new MetricsSnapshot(text).value("process_resident_memory_bytes");
}

/** One request: every fifth is a stream that is dropped after its first bytes. */
async function ask(url: string, number: number): Promise<void> {
  const words = Array.from({ length: 1 + (number % 30) }, (_, i) => WORDS[(number + i) % WORDS.length]);
  const body = {
    question: `How many ${words.join(" and ")} are there?`,
    samples: 1 + (number % 4),
    max_tokens: 8,
    seed: number,
    stream: number % 5 === 0,
  };
  const controller = new AbortController();
  const response = await fetch(`${url}/v1/reason`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: controller.signal,
  });
  if (!response.ok) throw new Error(`request ${number}: ${response.status} ${await response.text()}`);
  if (!body.stream) await response.text();
  else {
    await response.body?.getReader().read();
    controller.abort();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { requests: { type: "string", default: "1000" } } });
  const requests = Number(values.requests);
  const server = new ServerProcess([...MAGDI_SERVE, "--port", "0", "--log-level", "silent"]);
  try {
    const url = await server.ready();
    let sent = 0;
    let early = 0;
    const worker = async (): Promise<void> => {
      while (sent < requests) {
        const number = sent++;
        await ask(url, number);
        if (number === 100) early = await residentBytes(url);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    const late = await residentBytes(url);
    const growth = (100 * (late - early)) / early;
    console.log(
      `resident after 100 requests ${(early / 1e6).toFixed(1)} MB, after ${requests} ${(late / 1e6).toFixed(1)} MB: ${growth.toFixed(1)} %`,
    );
  } finally {
    server.kill("SIGTERM");
  }
}

await main();
