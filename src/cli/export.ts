// magdi export: a base and an adapter in, the merged student's folder out.

import { parseArgs } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { hubSettings } from "../student/hub.ts";
import { exportStudent } from "../train/adapter/export-student.ts";
import type { Command } from "./command.ts";
import { terminalProgress } from "./progress.ts";
import { DTYPE_HELP, parseThreads, printStudent, writtenFormats } from "./written-student.ts";

const HELP = `Usage: magdi export --adapter DIR --base SOURCE --out DIR [options]

Merges a LoRA adapter into its base in float32 and writes the student folder that magdi serve and
transformers.js load.

  --adapter DIR    a folder in PEFT's format (adapter_config.json, adapter_model.safetensors): what
                   magdi train wrote, or an adapter from elsewhere; training heads are left behind
  --base SOURCE    the base it was trained on: a Hugging Face folder, a .gguf file, or a hub id,
                   as for magdi import
  --out DIR        the student folder to write; it appears whole or not at all
  --dtype LIST     ${DTYPE_HELP} (default q8)
  --name NAME      the student's name (default: the folder's)
  --origin TEXT    where the base comes from, for the card (default: SOURCE's file name or hub id)
  --level N        the level of distillation, 1 to 4, for the card and the server
                   (default: what the adapter says of itself)
  --recipe TEXT    the recipe of the training, for the card (default: what the adapter says)
  --data TEXT      what it learned from, for the card (default: what the adapter says)
  --threads N      threads for the measurements (default: all cores)
  --no-measure     do not compare with float32 (agreement and perplexity, written into the card)
  --force          replace a student folder that is already there
`;

const OPTIONS = {
  adapter: { type: "string" },
  base: { type: "string" },
  out: { type: "string" },
  dtype: { type: "string", default: "q8" },
  name: { type: "string" },
  origin: { type: "string" },
  level: { type: "string" },
  recipe: { type: "string" },
  data: { type: "string" },
  threads: { type: "string" },
  "no-measure": { type: "boolean", default: false },
  force: { type: "boolean", default: false },
} as const;

async function run(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS });
  const { adapter, base, out, name, origin, level, recipe, data } = values;
  if (adapter === undefined || base === undefined || out === undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      "expected --adapter DIR, --base SOURCE and --out DIR, see: magdi export --help",
    );
  }
  const threads = parseThreads(values.threads);
  const progress = terminalProgress(process.stderr);
  try {
    const manifest = await exportStudent({
      adapter,
      base,
      out,
      ...writtenFormats({ dtype: values.dtype, measured: !values["no-measure"] }, threads, progress),
      ...(name === undefined ? {} : { name }),
      ...(origin === undefined ? {} : { origin }),
      ...(level === undefined ? {} : { level: Number(level) }),
      ...(recipe === undefined ? {} : { recipe }),
      ...(data === undefined ? {} : { data }),
      force: values.force,
      hub: hubSettings(process.env),
      onProgress: ({ stage, done, total }) => progress.report(stage, done, total),
    });
    progress.end();
    printStudent(out, manifest);
    return 0;
  } finally {
    progress.end();
  }
}

export const exportCommand: Command = {
  name: "export",
  summary: "merge an adapter into its base and write the student folder",
  help: HELP,
  run,
};
