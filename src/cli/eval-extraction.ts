// magdi eval extraction: how well answers are read out of recorded outputs of language models.

import { parseArgs } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { sampleRandom } from "../engine/random.ts";
import {
  countOutputs,
  EXTRACTION_KINDS,
  extractionTable,
  type JudgedOutput,
  judgeOutputs,
} from "../eval/extraction.ts";
import type { Command } from "./command.ts";
import { whole } from "./eval.ts";

const HELP = `Usage: magdi eval extraction FILE... [options]

Reads the answers out of recorded outputs and compares them with the answers recorded with them. FILE holds records
{question_id, choices?, gold, agents: [{agent, reasoning, answer}]}, one a line, gzipped or not.

  --by-agent     count each agent of a data set for itself
  --show KIND    print outputs of a kind: ${EXTRACTION_KINDS.join(", ")}
  --sample N     so many of them, drawn (default 20)
  --seed N       of the drawing (default 0)
`;

/** Characters of an output's end that are shown. */
const SHOWN_LENGTH = 400;

async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      "by-agent": { type: "boolean", default: false },
      show: { type: "string" },
      sample: { type: "string" },
      seed: { type: "string" },
    },
  });
  if (positionals.length === 0) {
    throw new MagdiError("MAGDI_BAD_CONFIG", "expected files of outputs, see: magdi eval extraction --help");
  }
  const { show } = values;
  if (show !== undefined && !EXTRACTION_KINDS.some((kind) => kind === show)) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--show: expected one of ${EXTRACTION_KINDS.join(", ")}, found ${show}`,
    );
  }
  const shown: JudgedOutput[] = [];
  const all: JudgedOutput[] = [];
  for (const file of positionals) {
    for await (const output of judgeOutputs(file)) {
      if (output.kind === show) shown.push(output);
      all.push(values["by-agent"] ? { ...output, dataset: `${output.dataset} ${output.agent}` } : output);
    }
  }
  process.stdout.write(`${extractionTable(countOutputs(all))}\n`);
  const random = sampleRandom(whole(values.seed, "seed", 0) ?? 0, 0);
  for (let left = whole(values.sample, "sample", 1) ?? 20; left > 0 && shown.length > 0; left--) {
    const [output] = shown.splice(Math.floor(random.nextFloat() * shown.length), 1);
    if (output !== undefined) process.stdout.write(`\n${described(output)}\n`);
  }
  return 0;
}

function described({ where, agent, recorded, read, gold, text }: JudgedOutput): string {
  const end = text.length > SHOWN_LENGTH ? `… ${text.slice(-SHOWN_LENGTH)}` : text;
  return `${where} ${agent}: recorded ${recorded}, read ${read ?? "nothing"}, gold ${gold}\n${end.replace(/^/gm, "  ")}`;
}

export const evalExtractionCommand: Pick<Command, "help" | "run"> = { help: HELP, run };
