// magdi import: turns a Hugging Face folder, a GGUF file or a hub id into a student folder.

import { z } from "zod";
import { text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { importStudent } from "../student/write-student-folder.ts";
import { type Command, parseFlags, usageError } from "./command.ts";
import { writeStudent, writtenFlags } from "./student-output.ts";

const FORMATS = `
q4: 4-bit blocks of 32 with float minimums; what a GGUF has in 4 bits is kept exactly,
all else is rounded; the vocabulary is in 8 bits
q8: 8-bit blocks; a GGUF's grids of 4, 5 and 8 bits are kept exactly
fp32: unquantised; fp16, q4f16: fp32 and q4 with float16 arithmetic, for GPUs
auto: writes q4, with 8 bits for what needs them, and q8, measures both here, and keeps
one: the fastest that agrees with float32 at 97 % of positions, else the one that agrees most`;

const FLAGS = z.object({
  out: text("a folder", "DIR")
    .exactOptional()
    .describe("the student folder to write; it appears complete or not at all"),
  ...writtenFlags("q4", FORMATS),
});

const HELP = `Usage: magdi import SOURCE --out DIR [options]

Turns a base model into a student folder that magdi serve and transformers.js load.

SOURCE is one of
  a Hugging Face folder (config.json, safetensors, tokenizer files)
  a .gguf file
  a student folder with q4 or fp32, to write other formats of it
  OWNER/NAME[@REVISION] on a Hugging Face hub, such as HuggingFaceTB/SmolLM2-135M-Instruct
  OWNER/NAME[@REVISION]:FILE.gguf, one GGUF file of a hub repository
Local paths take precedence over the hub. Downloads are resumed and kept in $MAGDI_CACHE (default
~/.cache/magdi); $HF_TOKEN opens gated models, $HF_ENDPOINT names another hub.
Families: Llama, Mistral, Qwen2 and Qwen2.5, Qwen3.

${helpLines(FLAGS)}
`;

async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("import", argv, FLAGS, { words: true });
  const { out, ...written } = values;
  const [source, ...rest] = words;
  if (source === undefined || rest.length > 0 || out === undefined) {
    throw usageError("import", "one SOURCE and --out DIR");
  }
  return writeStudent({ ...written, out }, (options) => importStudent({ ...options, source }));
}

export const importCommand: Command = {
  name: "import",
  summary: "turn a Hugging Face folder, a GGUF file or a hub id into a student folder",
  help: HELP,
  run,
};
