// npm run bench: the default student in this process, one run: first token, one stream, ten samples of one question.
// It measures the engine, not HTTP.

import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { parseArgs } from "node:util";
import type { GenerationEngine, SamplingParams } from "../src/engine/request.ts";
import { loadConfig } from "../src/server/config.ts";
import { openStudent } from "../src/server/open-student.ts";

/** What the throwaway prototype reached on two cores of a Sapphire Rapids Xeon (AVX-512 VNNI) with weights rounded
 * to 4 bits, which agree with float32 on 87 % of tokens; with the block minimums kept it took 4.8 ms a step. */
const PROTOTYPE = {
  "first token, 54-token prompt": "65–71 ms",
  "one stream": "240–268 tok/s (208 with block minimums)",
  "ten samples of one question": "442–587 tok/s (435 with block minimums)",
} as const;

const QUESTION =
  "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did Natalia sell altogether in April and May?";
const PROMPT_TOKENS = 54;
const STREAM_TOKENS = 128;
const SAMPLE_TOKENS = 64;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

interface Measured {
  readonly firstTokenMs: number;
  /** From the first token of the request to its end. */
  readonly tokensPerSecond: number;
}

async function measure(
  engine: GenerationEngine,
  promptTokens: Int32Array,
  samples: number,
  maxTokens: number,
): Promise<Measured> {
  const sampling: SamplingParams = {
    temperature: samples > 1 ? 0.7 : 0,
    topK: 50,
    topP: 0.9,
    minP: 0,
    maxTokens,
    minTokens: 0,
    ignoreEos: true,
    stop: [],
    seed: 1,
    topLogprobs: null,
    logitBias: new Map(),
  };
  const id = `bench-${samples}`;
  const request = { id, promptTokens, samples, sampling, queueTimeoutMs: 60_000, timeoutMs: 600_000 };
  const result = await engine.submit(request).done;
  const { submittedMs, endMs } = result.timing;
  const firstTokenMs = (result.timing.firstTokenMs ?? endMs) - submittedMs;
  const tokens = result.samples.reduce((sum, sample) => sum + sample.tokenIds.length - 1, 0);
  return { firstTokenMs, tokensPerSecond: (1000 * tokens) / (endMs - submittedMs - firstTokenMs) };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: "models/smollm2-135m-instruct" },
      dtype: { type: "string" },
      threads: { type: "string" },
      repeats: { type: "string", default: "7" },
      json: { type: "boolean", default: false },
    },
  });
  const { model, dtype, threads } = values;
  const config = loadConfig({ flags: { model, dtype, threads } });
  const opened = performance.now();
  const student = await openStudent(model, { config, onStep: () => {} });
  const loadMs = performance.now() - opened;
  const text = student.chatTemplate.render([{ role: "user", content: QUESTION }], {
    addGenerationPrompt: true,
  });
  const prompt = student.tokenizer.encode(text, { addSpecialTokens: false }).slice(0, PROMPT_TOKENS);
  const rounds = { first: [] as number[], one: [] as number[], ten: [] as number[] };
  const repeats = Number(values.repeats);
  for (let round = -1; round < repeats; round++) {
    const first = await measure(student.engine, prompt, 1, 2);
    const one = await measure(student.engine, prompt, 1, STREAM_TOKENS);
    const ten = await measure(student.engine, prompt, 10, SAMPLE_TOKENS);
    if (round < 0) continue; // the first round warms up
    rounds.first.push(first.firstTokenMs);
    rounds.one.push(one.tokensPerSecond);
    rounds.ten.push(ten.tokensPerSecond);
  }
  await student.engine.close();
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    version: string;
  }; // our own package.json
  const machine = `${availableParallelism()} threads of ${cpus()[0]?.model.trim() ?? "an unknown processor"}`;
  const spread = (list: readonly number[], unit: string): string =>
    `${median(list).toFixed(1)} ${unit} (${Math.min(...list).toFixed(1)}–${Math.max(...list).toFixed(1)})`;
  if (values.json) {
    console.log(JSON.stringify({ version, machine, model: student.id, repeats, loadMs, rounds }, null, 2));
    return;
  }
  console.log(`magdi ${version}, ${student.id}, ${machine}, median of ${repeats} (lowest–highest)\n`);
  console.log("| case | here | prototype, on another machine |\n|---|---|---|");
  const rows = {
    "first token, 54-token prompt": spread(rounds.first, "ms"),
    "one stream": spread(rounds.one, "tok/s"),
    "ten samples of one question": spread(rounds.ten, "tok/s"),
  } as const;
  for (const [name, value] of Object.entries(rows)) {
    console.log(`| ${name} | ${value} | ${PROTOTYPE[name as keyof typeof PROTOTYPE]} |`); // the same keys, above
  }
  console.log(`| opening the student | ${loadMs.toFixed(0)} ms | |`);
}

await main();
