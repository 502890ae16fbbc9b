// magdi export: merges an adapter into its base and writes a student folder.

import { z } from "zod";
import { text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { exportStudent } from "../train/adapter/export-student.ts";
import { type Command, parseFlags, usageError } from "./command.ts";
import { writeStudent, writtenFlags } from "./student-output.ts";

const FLAGS = z.object({
  adapter: text("a folder", "DIR")
    .exactOptional()
    .describe(`a folder in PEFT's format (adapter_config.json, adapter_model.safetensors): from
magdi train or elsewhere, or a hub id; training heads are left out`),
  base: text("a base", "SOURCE")
    .exactOptional()
    .describe(`the base it was trained on: a Hugging Face folder, a .gguf file, or a hub id,
as for magdi import (default: from the adapter's config)`),
  out: text("a folder", "DIR")
    .exactOptional()
    .describe("the student folder to write; it appears complete or not at all"),
  // As text: exportStudent checks it.
  level: text("a level", "N")
    .exactOptional()
    .describe(`the level of distillation, 1 to 4, for the card and the server
(default: from the adapter's config)`),
  recipe: text()
    .exactOptional()
    .describe("the training recipe, for the card (default: from the adapter's config)"),
  data: text()
    .exactOptional()
    .describe("the training data, for the card (default: from the adapter's config)"),
  ...writtenFlags("q8"),
});

const HELP = `Usage: magdi export --adapter DIR [--base SOURCE] --out DIR [options]

Merges a LoRA adapter into its base in float32 and writes the student folder that magdi serve and
transformers.js load.

${helpLines(FLAGS)}
`;

async function run(argv: readonly string[]): Promise<number> {
  const { adapter, base, out, level, recipe, data, ...written } = parseFlags("export", argv, FLAGS).values;
  if (adapter === undefined || out === undefined) {
    throw usageError("export", "--adapter DIR and --out DIR");
  }
  return writeStudent({ ...written, out }, (options) =>
    exportStudent({
      ...options,
      adapter,
      ...(base === undefined ? {} : { base }),
      ...(level === undefined ? {} : { level: Number(level) }),
      ...(recipe === undefined ? {} : { recipe }),
      ...(data === undefined ? {} : { data }),
    }),
  );
}

export const exportCommand: Command = {
  name: "export",
  summary: "merge an adapter into its base and write the student folder",
  help: HELP,
  run,
};
