// magdi import: a Hugging Face folder, a GGUF file or a hub id in, a student folder out.

import { parseArgs } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { hubSettings } from "../student/hub.ts";
import { importStudent } from "../student/import-student.ts";
import type { Command } from "./command.ts";
import { terminalProgress } from "./progress.ts";
import { DTYPE_HELP, parseThreads, printStudent, writtenFormats } from "./written-student.ts";

const HELP = `Usage: magdi import SOURCE --out DIR [options]

Turns a base model into a student folder that magdi serve and transformers.js load.

SOURCE is one of
  a Hugging Face folder (config.json, safetensors, tokenizer files)
  a .gguf file
  a student folder that holds q4 or fp32, to make other formats of it
  OWNER/NAME[@REVISION] on a Hugging Face hub, such as HuggingFaceTB/SmolLM2-135M-Instruct
  OWNER/NAME[@REVISION]:FILE.gguf, one GGUF file of a repository there
What exists on disk wins over the hub. Downloads are resumed and kept in $MAGDI_CACHE (default
~/.cache/magdi); $HF_TOKEN opens gated models, $HF_ENDPOINT names another hub.
Families: Llama, Mistral, Qwen2 and Qwen2.5, Qwen3.

  --out DIR        the student folder to write; it appears whole or not at all
  --dtype LIST     ${DTYPE_HELP} (default q4)
                   q4: 4-bit blocks of 32 with float minimums; a GGUF's own grid is kept exactly
                   int8: products of 8-bit rows, fastest for long prompts and many samples at once
                   q8: 8-bit blocks; fp32: as they are
                   fp16, q4f16: fp32 and q4 with all that is computed in float16, for GPUs
                   auto: writes q4, int8 and q8, measures each here, and keeps one: the fastest of
                   those that agree with float32 at 96 % of positions, else the one that agrees most
  --name NAME      the student's name (default: the folder's)
  --origin TEXT    where the base comes from, for the card (default: SOURCE's file name or hub id)
  --threads N      threads for the measurements (default: all cores)
  --no-measure     do not compare with float32 (agreement and perplexity, written into the card)
  --force          replace a student folder that is already there
`;

const OPTIONS = {
  out: { type: "string" },
  dtype: { type: "string", default: "q4" },
  name: { type: "string" },
  origin: { type: "string" },
  threads: { type: "string" },
  "no-measure": { type: "boolean", default: false },
  force: { type: "boolean", default: false },
} as const;

async function run(argv: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  const [source, ...rest] = positionals;
  if (source === undefined || rest.length > 0 || values.out === undefined) {
    throw new MagdiError("MAGDI_BAD_CONFIG", `expected one SOURCE and --out DIR, see: magdi import --help`);
  }
  const threads = parseThreads(values.threads);
  const progress = terminalProgress(process.stderr);
  try {
    const manifest = await importStudent({
      source,
      out: values.out,
      ...writtenFormats({ dtype: values.dtype, measured: !values["no-measure"] }, threads, progress),
      ...(values.name === undefined ? {} : { name: values.name }),
      ...(values.origin === undefined ? {} : { origin: values.origin }),
      threads,
      force: values.force,
      hub: hubSettings(process.env),
      onProgress: ({ stage, done, total }) => progress.report(stage, done, total),
    });
    progress.end();
    printStudent(values.out, manifest);
    return 0;
  } finally {
    progress.end();
  }
}

export const importCommand: Command = {
  name: "import",
  summary: "turn a Hugging Face folder, a GGUF file or a hub id into a student folder",
  help: HELP,
  run,
};
