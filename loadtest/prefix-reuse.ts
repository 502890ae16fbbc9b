// Time to first token of prompts with a cached prefix against prompts without one, in alternating pairs
// on one engine: node --import tsx loadtest/prefix-reuse.ts --pairs 9. The cold one of a pair asks in a scope of its own.

import { parseArgs } from "node:util";
import { renderPrompt } from "../src/asking/prompts.ts";
import { openStudent } from "../src/asking/student.ts";
import { DEFAULT_STUDENT } from "../src/base/package-files.ts";
import type { GenerationEngine, GenerationResult } from "../src/engine/request.ts";
import { loadConfig } from "../src/server/config.ts";
import { encodeChat } from "../src/text/chat-prompt.ts";
import { type Spread, spreadOf } from "./bench/statistics.ts";

const THINGS = ["marbles", "stamps", "shells", "coins", "cards", "seeds", "buttons", "pencils"];
const WARM = "warm";
const WORKED_EXAMPLES = 20;

const question = (number: number) =>
  `Ada has ${7 + ((13 * number) % 90)} ${THINGS[number % THINGS.length]} and gives ${2 + (number % 5)} of them to ` +
  `each of her ${2 + (number % 4)} friends. How many are left?`;

function fewShot(number: number): string {
  const worked = Array.from({ length: WORKED_EXAMPLES }, (_, example) => {
    const [had, gave] = [20 + 7 * example, 3 + example];
    return `Question: Ben has ${had} ${THINGS[example % THINGS.length]} and gives away ${gave}. How many are left?\nHe had ${had} and gave ${gave}: ${had} - ${gave} = ${had - gave}. The answer is ${had - gave}.`;
  });
  return [...worked, `Question: ${question(number)}`].join("\n\n");
}

async function firstToken(engine: GenerationEngine, promptTokens: Int32Array, prefixScope: string) {
  const result = await engine.submit({
    id: prefixScope,
    promptTokens,
    samples: 1,
    sampling: {
      ...{ temperature: 0, topK: 0, topP: 1, minP: 0, maxTokens: 1, minTokens: 0, ignoreEos: true },
      ...{ stop: [], seed: 1, topLogprobs: null, logitBias: new Map() },
    },
    queueTimeoutMs: Number.POSITIVE_INFINITY,
    timeoutMs: Number.POSITIVE_INFINITY,
    prefixScope,
  }).done;
  return { result, ms: (result.timing.firstTokenMs ?? Number.NaN) - result.timing.submittedMs };
}

const text = ({ median, lowest, highest }: Spread, digits: number) =>
  `${median.toFixed(digits)} (${lowest.toFixed(digits)}–${highest.toFixed(digits)})`;

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { pairs: { type: "string", default: "9" } } });
  // Large enough for both prompts of a pair, so that nothing is evicted.
  const config = loadConfig({ flags: { "prefix-cache-tokens": "16384" } });
  const student = await openStudent(DEFAULT_STUDENT, config);
  const user = (content: string) => encodeChat(student, [{ role: "user", content }]);
  const zeroShot = (number: number) => renderPrompt({ task: "math", question: question(number) })[0].content;
  const instructionFirst = (number: number) => zeroShot(number).split("\n\n").reverse().join("\n\n");
  const cases: readonly [string, (number: number) => string][] = [
    ["zero-shot", zeroShot],
    ["zero-shot, the instruction before the question", instructionFirst],
    ["few-shot", fewShot],
    ["the same zero-shot prompt again", () => zeroShot(0)],
  ];
  console.log(
    "| case | prompt tokens | reused | cold ms | warm ms | warm / cold |\n|---|---|---|---|---|---|",
  );
  for (const [name, prompt] of cases) {
    await firstToken(student.engine, user(prompt(1000)), WARM);
    const [cold, warm, ratios]: [number[], number[], number[]] = [[], [], []];
    let last: GenerationResult | null = null;
    for (let pair = 0; pair < Number(values.pairs); pair++) {
      const tokens = user(prompt(pair));
      const scopes = [`cold ${name} ${pair}`, WARM];
      if (pair % 2 === 1) scopes.reverse();
      const ms = new Map<string, number>();
      for (const scope of scopes) {
        const measured = await firstToken(student.engine, tokens, scope);
        ms.set(scope, measured.ms);
        if (scope === WARM) last = measured.result;
      }
      const [coldMs, warmMs] = [ms.get(`cold ${name} ${pair}`) ?? Number.NaN, ms.get(WARM) ?? Number.NaN];
      cold.push(coldMs);
      warm.push(warmMs);
      ratios.push(warmMs / coldMs);
    }
    const cells = [name, last?.promptTokens, last?.promptTokensReused, text(spreadOf(cold), 0)];
    console.log(`| ${[...cells, text(spreadOf(warm), 0), text(spreadOf(ratios), 2)].join(" | ")} |`);
  }
  await student.engine.close();
}

await main();
