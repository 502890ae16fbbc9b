// magdi eval extraction: how well answers are extracted from recorded outputs of language models.

import { z } from "zod";
import { bareFlag, oneOf, wholeNumber } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { sampleRandom } from "../engine/random.ts";
import {
  countOutputs,
  EXTRACTION_KINDS,
  extractionTable,
  type JudgedOutput,
  judgeOutputs,
} from "../eval/extraction.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";

const FLAGS = z.object({
  byAgent: bareFlag().describe("count each agent of a data set separately"),
  show: oneOf(EXTRACTION_KINDS)
    .exactOptional()
    .describe(`print some outputs of this kind: ${EXTRACTION_KINDS.join(", ")}`),
  sample: wholeNumber(1).default(20).describe("how many, drawn at random"),
  seed: wholeNumber(0).default(0).describe("seed of the draw"),
});

const HELP = `Usage: magdi eval extraction FILE... [options]

Extracts the answers from recorded outputs and compares them with the answers recorded with them. FILE holds records
{question_id, choices?, gold, agents: [{agent, reasoning, answer}]}, one per line, gzipped or not.

${helpLines(FLAGS)}
`;

/** Only the end of longer outputs is shown. */
const SHOWN_LENGTH = 400;

async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("eval extraction", argv, FLAGS, { words: true });
  const { byAgent, show, sample, seed } = values;
  if (words.length === 0) throw usageError("eval extraction", "files of outputs");
  const shown: JudgedOutput[] = [];
  const all: JudgedOutput[] = [];
  for (const file of words) {
    for await (const output of judgeOutputs(file)) {
      if (output.kind === show) shown.push(output);
      all.push(byAgent ? { ...output, dataset: `${output.dataset} ${output.agent}` } : output);
    }
  }
  process.stdout.write(`${extractionTable(countOutputs(all))}\n`);
  const random = sampleRandom(seed, 0);
  for (let left = sample; left > 0 && shown.length > 0; left--) {
    const [output] = shown.splice(Math.floor(random.nextFloat() * shown.length), 1);
    if (output !== undefined) process.stdout.write(`\n${described(output)}\n`);
  }
  return 0;
}

function described({ where, agent, recorded, read, gold, text }: JudgedOutput): string {
  const end = text.length > SHOWN_LENGTH ? `… ${text.slice(-SHOWN_LENGTH)}` : text;
  return `${where} ${agent}: recorded ${recorded}, read ${read ?? "nothing"}, gold ${gold}\n${end.replace(/^/gm, "  ")}`;
}

export const evalExtractionCommand: Subcommand = { help: HELP, run };
