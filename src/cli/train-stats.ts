// magdi train stats: statistics of files of MAGs, in characters or a student's tokens.

import { z } from "zod";
import { renderPrompt } from "../asking/prompts.ts";
import { bareFlag, text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { readMags } from "../mag/mag-file.ts";
import type { Mag } from "../mag/mag-schema.ts";
import { inCharacters, type Measure, magStatistics } from "../mag/statistics.ts";
import { statisticsText } from "../mag/text-report.ts";
import { encodeChat } from "../text/chat-prompt.ts";
import { openChatTemplate, plainChatTemplate } from "../text/chat-template.ts";
import { openTokenizer } from "../text/tokenizer.ts";
import { completionOf } from "../train/batches/completion.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";

const FLAGS = z.object({
  model: text("a folder", "DIR")
    .exactOptional()
    .describe("count tokens with this folder's tokenizer and chat template (default: characters)"),
  json: bareFlag().describe("print everything as JSON"),
});

const HELP = `Usage: magdi train stats FILE... [options]

Statistics of files of interaction graphs (MAGs): graph types (G0 to G3, by rounds), nodes by round, agent and label,
contrastive pairs, lengths. Files for evaluation are accepted too.

${helpLines(FLAGS)}
`;

/** @throws MAGDI_BAD_CONFIG, MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("train stats", argv, FLAGS, { words: true });
  if (words.length === 0) throw usageError("train stats", "FILE...");
  const measure = values.model === undefined ? inCharacters : await inTokens(values.model);
  const statistics = await magStatistics(allOf(words), measure);
  console.log(values.json ? JSON.stringify(statistics, null, 2) : statisticsText(statistics));
  return 0;
}

async function* allOf(files: readonly string[]): AsyncGenerator<Mag> {
  for (const file of files) yield* readMags(file, { use: null });
}

/** The prompt as the server encodes it, and a node's training completion without the end token. */
async function inTokens(folder: string): Promise<Measure> {
  const [tokenizer, template] = await Promise.all([openTokenizer(folder), openChatTemplate(folder)]);
  const chatTemplate = template ?? plainChatTemplate;
  const count = (text: string): number => tokenizer.encode(text, { addSpecialTokens: false }).length;
  return {
    unit: "tokens",
    prompt: (mag) => encodeChat({ tokenizer, chatTemplate }, renderPrompt(mag)).length,
    completion: (mag, node) => count(completionOf(mag, node) ?? node.reasoning),
  };
}

export const trainStatsCommand: Subcommand = { help: HELP, run };
