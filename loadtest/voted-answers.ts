// npm run voted-answers: what a voted answer takes, in time and tokens, against a single sample of the same questions,
// by the number of samples and the rule of stopping, in alternating rounds on one server of its own.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { DEFAULT_STUDENT } from "../src/base/package-files.ts";
import { spreadOf } from "./bench/statistics.ts";
import { MAGDI_SERVE, ServerProcess } from "./server/server-process.ts";

const QUESTIONS = new URL("./requests/questions.json", import.meta.url);

interface Setting {
  readonly samples: number;
  readonly earlyStop: "off" | "exact" | "adaptive";
}

/** Of all questions of one round. */
interface Cost {
  ms: number;
  /** Generated, those of samples that were stopped included. */
  tokens: number;
  /** Samples that ran to their end. */
  finished: number;
}

const SETTINGS: readonly Setting[] = [
  { samples: 1, earlyStop: "off" },
  ...[5, 10, 20].flatMap((samples) =>
    (["off", "exact", "adaptive"] as const).map((earlyStop) => ({ samples, earlyStop })),
  ),
];

const MAX_TOKENS = 96;

interface Answer {
  readonly usage: { readonly completion_tokens: number };
  readonly samples: readonly { readonly finish_reason: string }[];
}

async function ask(
  url: string,
  question: string,
  { samples, earlyStop }: Setting,
  seed: number,
): Promise<Cost> {
  const startMs = performance.now();
  const response = await fetch(`${url}/v1/reason`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    // The temperature is that of several samples for a single one too: what is compared is their number.
    body: JSON.stringify({
      ...{ question, samples, seed, early_stop: earlyStop },
      ...{ temperature: 0.7, max_tokens: MAX_TOKENS, return_samples: true },
    }),
  });
  if (!response.ok) throw new Error(await response.text());
  const { usage, samples: all } = (await response.json()) as Answer; // our own server's
  return {
    ms: performance.now() - startMs,
    tokens: usage.completion_tokens,
    finished: all.filter(({ finish_reason }) => finish_reason !== "cancelled").length,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: DEFAULT_STUDENT },
      dtype: { type: "string" },
      questions: { type: "string", default: "6" },
      rounds: { type: "string", default: "3" },
    },
  });
  const asked = JSON.parse(readFileSync(QUESTIONS, "utf8")) as { question: string }[]; // a file of ours
  const questions = asked.slice(0, Number(values.questions)).map(({ question }) => question);
  const server = new ServerProcess([
    ...[...MAGDI_SERVE, "--port", "0", "--log-level", "silent", "--prefix-cache-tokens", "0"],
    ...["--model", values.model, ...(values.dtype === undefined ? [] : ["--dtype", values.dtype])],
  ]);
  const costs: Cost[][] = SETTINGS.map(() => []);
  try {
    const url = await server.ready();
    await ask(url, questions[0] ?? "", { samples: 20, earlyStop: "off" }, 0); // warms up
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [index, setting] of SETTINGS.entries()) {
        const sum: Cost = { ms: 0, tokens: 0, finished: 0 };
        for (const [number, question] of questions.entries()) {
          const cost = await ask(url, question, setting, 1000 * (round + 1) + number);
          sum.ms += cost.ms;
          sum.tokens += cost.tokens;
          sum.finished += cost.finished;
        }
        costs[index]?.push(sum);
      }
      process.stderr.write(`round ${round + 1} of ${Number(values.rounds)}\n`);
    }
  } finally {
    server.kill("SIGTERM");
    await server.exited;
  }
  const single = costs[0] ?? [];
  console.log(
    "| samples | early stop | time of the answer | tokens | samples that ended |\n|---|---|---|---|---|",
  );
  for (const [index, { samples, earlyStop }] of SETTINGS.entries()) {
    const own = costs[index] ?? [];
    const ratio = (of: (cost: Cost) => number): string => {
      const { median, lowest, highest } = spreadOf(own.map((cost, round) => of(cost) / of(single[round]!))); // as many
      return `${median.toFixed(2)} (${lowest.toFixed(2)}–${highest.toFixed(2)})`;
    };
    const ended = spreadOf(own.map(({ finished }) => finished / questions.length)).median;
    console.log(
      `| ${samples} | ${earlyStop} | ${ratio(({ ms }) => ms)} | ${ratio(({ tokens }) => tokens)} | ${ended.toFixed(1)} |`,
    );
  }
}

await main();
