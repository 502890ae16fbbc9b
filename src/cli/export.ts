// magdi export: a base and an adapter in, the merged student's folder out.

import { z } from "zod";
import { text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { exportStudent } from "../train/adapter/export-student.ts";
import type { Command } from "./command.ts";
import { parseFlags, usageError } from "./flags.ts";
import { writeStudent, writtenFlags } from "./written-student.ts";

const FLAGS = z.object({
  adapter: text("a folder", "DIR")
    .exactOptional()
    .describe(`a folder in PEFT's format (adapter_config.json, adapter_model.safetensors): what
magdi train wrote, or an adapter from elsewhere; training heads are left behind`),
  base: text("a base", "SOURCE")
    .exactOptional()
    .describe(`the base it was trained on: a Hugging Face folder, a .gguf file, or a hub id,
as for magdi import`),
  out: text("a folder", "DIR")
    .exactOptional()
    .describe("the student folder to write; it appears whole or not at all"),
  // As text: the export says what a level is.
  level: text("a level", "N")
    .exactOptional()
    .describe(`the level of distillation, 1 to 4, for the card and the server
(default: what the adapter says of itself)`),
  recipe: text()
    .exactOptional()
    .describe("the recipe of the training, for the card (default: what the adapter says)"),
  data: text()
    .exactOptional()
    .describe("what it learned from, for the card (default: what the adapter says)"),
  ...writtenFlags("q8"),
});

const HELP = `Usage: magdi export --adapter DIR --base SOURCE --out DIR [options]

Merges a LoRA adapter into its base in float32 and writes the student folder that magdi serve and
transformers.js load.

${helpLines(FLAGS)}
`;

async function run(argv: readonly string[]): Promise<number> {
  const { adapter, base, out, level, recipe, data, ...written } = parseFlags("export", argv, FLAGS).values;
  if (adapter === undefined || base === undefined || out === undefined) {
    throw usageError("export", "--adapter DIR, --base SOURCE and --out DIR");
  }
  return writeStudent({ ...written, out }, (options) =>
    exportStudent({
      ...options,
      adapter,
      base,
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
