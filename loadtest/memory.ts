// npm run memory: a thousand requests against the default student, some dropped half-way, and the server's resident
// memory after a hundred and after all of them; or, with --shapes 0x0,1x512,10x512, its memory by rows and tokens of
// context. The server is a process of its own.

import { parseArgs } from "node:util";
import { DEFAULT_STUDENT } from "../src/base/package-files.ts";
import { weightBytes } from "../src/student/manifest.ts";
import { cachedTokenBytes, openStudentFolder } from "../src/student/open-student-folder.ts";
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

/** A thousand requests on one server: what is left behind by those that are over. */
async function growth(requests: number): Promise<void> {
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

const ANSWER_TOKENS = 8;

/** Rows × tokens of context, each on a server of its own: what is resident beyond the weights and the cache in use. */
async function shapes(list: readonly string[], model: string): Promise<void> {
  const student = openStudentFolder(model);
  const weights = weightBytes(student.manifest, student.dtype);
  const tokenBytes = cachedTokenBytes(student);
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
  console.log(
    `| rows × tokens | resident MB | cache in use MB | beyond weights (${megabytes(weights)} MB) and cache |`,
  );
  console.log("|---|---|---|---|");
  for (const shape of list) {
    const [rows = 0, tokens = 0] = shape.split("x").map(Number);
    const server = new ServerProcess([
      ...[...MAGDI_SERVE, "--port", "0", "--log-level", "silent", "--model", model],
      ...["--prefix-cache-tokens", "0"],
    ]);
    try {
      const url = await server.ready();
      if (rows > 0) {
        const prompt = Array.from({ length: tokens - ANSWER_TOKENS }, (_, at) => 1000 + ((7 * at) % 500));
        const body = {
          prompt,
          n: rows,
          max_tokens: ANSWER_TOKENS,
          ignore_eos: true,
          temperature: 1,
          seed: 1,
        };
        const response = await fetch(`${url}/v1/completions`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        if (!response.ok) throw new Error(await response.text());
      }
      const resident = await residentBytes(url);
      // The prompt lies in a row of its own, from which the samples' rows are copied.
      const cache = rows === 0 ? 0 : (rows * tokens + tokens - ANSWER_TOKENS) * tokenBytes;
      const rest = megabytes(resident - weights - cache);
      console.log(
        `| ${shape.replace("x", " × ")} | ${megabytes(resident)} | ${megabytes(cache)} | ${rest} |`,
      );
    } finally {
      server.kill("SIGTERM");
      await server.exited;
    }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      requests: { type: "string", default: "1000" },
      shapes: { type: "string" },
      model: { type: "string", default: DEFAULT_STUDENT },
    },
  });
  if (values.shapes === undefined) await growth(Number(values.requests));
  else await shapes(values.shapes.split(","), values.model);
}

await main();
