// magdi export: writes a base, with an adapter merged into it where one is given, as a student folder, a Hugging Face folder
// or a GGUF file.

import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { oneOf, text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { hubSettings } from "../student/hub.ts";
import { ggufCard, type PortableModel, vocabularyLine } from "../student/model-card.ts";
import type { ImportProgress } from "../student/open-base.ts";
import { DEFAULT_GGUF_DTYPE, GGUF_DTYPES, writeGgufFile } from "../student/write-gguf-file.ts";
import { HUGGING_FACE_DTYPES, writeHuggingFaceFolder } from "../student/write-hugging-face-folder.ts";
import { exportStudent, type MergeOptions, mergeOf } from "../train/adapter/export-student.ts";
import { type Command, type ParsedFlags, parseFlags, usageError } from "./command.ts";
import { terminalProgress } from "./progress.ts";
import { filesIn, fileWithCard, type HubRepository, hubRepository, pushToRepository } from "./push-to-hub.ts";
import { adapterFolder } from "./run-folder.ts";
import { writeStudent, writtenFlags } from "./student-output.ts";
import { vocabularyFrom } from "./vocabulary-texts.ts";

const STUDENT_DTYPE = "q8";

const FLAGS = z.object({
  adapter: text("a folder", "DIR")
    .exactOptional()
    .describe(`a folder in PEFT's format (adapter_config.json, adapter_model.safetensors): from
magdi train or elsewhere, the folder of a run, or a hub id; training heads are left
out. Needed for a student, which magdi import makes of a base alone`),
  base: text("a base", "SOURCE")
    .exactOptional()
    .describe(`the base it was trained on: a Hugging Face folder, a .gguf file, a student
folder, or a hub id, as for magdi import (default: from the adapter's config)`),
  out: text("a place", "PLACE")
    .exactOptional()
    .describe("the folder, or FILE.gguf, to write; it appears complete or not at all"),
  to: oneOf(["student", "hf", "gguf"])
    .default("student")
    .describe(`student: the folder that magdi serve and transformers.js load
hf: a folder for Transformers and vLLM, in safetensors
gguf: a file for llama.cpp`),
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
  pushToHub: text("a repository", "OWNER/NAME")
    .exactOptional()
    .describe(`upload what was written to this model repository on the hub, with the token in
$HF_TOKEN; one that does not exist yet is made, private`),
  ...writtenFlags(
    STUDENT_DTYPE,
    `
for --to hf one of ${HUGGING_FACE_DTYPES.join(", ")} (default: the base's own)
for --to gguf one of ${GGUF_DTYPES.join(", ")} (default: ${DEFAULT_GGUF_DTYPE})`,
  ),
});

const HELP = `Usage: magdi export [--base SOURCE] [--adapter DIR] --out PLACE [--to hf|gguf] [options]

Merges a LoRA adapter into its base in float32 and writes the student folder that magdi serve and
transformers.js load, or what others run: a Hugging Face folder for Transformers and vLLM, or a GGUF
file for llama.cpp.

${helpLines(FLAGS)}
`;

type Flags = ParsedFlags<z.output<typeof FLAGS>>;

async function run(argv: readonly string[]): Promise<number> {
  const flags = parseFlags("export", argv, FLAGS);
  const { adapter, base, out, to, level, recipe, data, pushToHub, ...written } = flags.values;
  const repository = hubRepository(pushToHub);
  const stated = {
    ...(base === undefined ? {} : { base }),
    ...(level === undefined ? {} : { level: Number(level) }),
    ...(recipe === undefined ? {} : { recipe }),
    ...(data === undefined ? {} : { data }),
  };
  if (to !== "student") return writePortable(to, flags, stated, repository);
  if (adapter === undefined || out === undefined) throw usageError("export", "--adapter DIR and --out DIR");
  await writeStudent({ ...written, out }, async (options) =>
    exportStudent({ ...options, adapter: await adapterFolder(adapter), ...stated }),
  );
  if (repository !== null) await pushToRepository(repository, out, filesIn(out));
  return 0;
}

/** What only a student has, or only an adapter. @throws MAGDI_BAD_CONFIG */
function assertMeant(to: "hf" | "gguf", { given }: Flags): void {
  const forAdapters = given.adapter === undefined ? (["level", "recipe", "data"] as const) : [];
  const [idle] = forAdapters.filter((key) => given[key] !== undefined);
  const measured = (["threads", "noMeasure", "maxSizeMb"] as const).find((key) => given[key] !== undefined);
  const flag = { threads: "--threads", noMeasure: "--no-measure", maxSizeMb: "--max-size-mb" };
  if (measured !== undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `${flag[measured]}: measures the formats of a student, and --to ${to} writes none; leave it out`,
    );
  }
  if (idle !== undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--${idle}: says how an adapter was trained; give --adapter DIR too`,
    );
  }
}

async function writePortable(
  to: "hf" | "gguf",
  flags: Flags,
  stated: Omit<MergeOptions, "adapter">,
  repository: HubRepository | null,
): Promise<number> {
  const { adapter, base, out, name, origin, vocabulary, vocabularySize, force } = flags.values;
  if (out === undefined || (base === undefined && adapter === undefined)) {
    throw usageError(
      "export",
      `--base SOURCE or --adapter DIR, and --out ${to === "hf" ? "DIR" : "FILE.gguf"}`,
    );
  }
  assertMeant(to, flags);
  const progress = terminalProgress(process.stderr);
  const location = {
    hub: hubSettings(process.env),
    onProgress: ({ stage, done, total }: ImportProgress) => progress.report(stage, done, total),
  };
  const options = {
    ...location,
    ...(adapter === undefined
      ? { source: base ?? "" } // given, as there is no adapter
      : await mergeOf({ ...location, ...stated, adapter: await adapterFolder(adapter) })),
    out,
    ...(name === undefined ? {} : { name }),
    ...(origin === undefined ? {} : { origin }),
    ...(force === undefined ? {} : { force }),
    ...vocabularyFrom(vocabulary, vocabularySize),
  };
  const given = flags.given.dtype;
  try {
    const written =
      to === "hf"
        ? await writeHuggingFaceFolder({ ...options, ...oneDtype(to, given, HUGGING_FACE_DTYPES) })
        : await writeGgufFile({ ...options, ...oneDtype(to, given, GGUF_DTYPES) });
    progress.end();
    printPortable(out, written);
    console.log(to === "hf" ? `Serve it with: vllm serve ${out}` : `Serve it with: llama-server -m ${out}`);
    if (repository !== null) {
      await pushToRepository(
        repository,
        out,
        to === "hf" ? filesIn(out) : fileWithCard(out, ggufCard(written, path.basename(out))),
      );
    }
    return 0;
  } finally {
    progress.end();
  }
}

/** @throws MAGDI_BAD_CONFIG */
function oneDtype<T extends string>(
  to: string,
  given: string | undefined,
  known: readonly T[],
): { readonly dtype?: T } {
  if (given === undefined) return {};
  const dtype = known.find((each) => each === given.toLowerCase());
  if (dtype !== undefined) return { dtype };
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--dtype: expected one of ${known.join(", ")} with --to ${to}, found ${JSON.stringify(given)}`,
  );
}

function printPortable(out: string, { provenance, dtype }: PortableModel): void {
  console.log(
    `${out}: ${provenance.name}, ${(provenance.parameters / 1e6).toFixed(1)} million parameters in ${dtype}`,
  );
  if (provenance.vocabulary !== undefined) console.log(`  ${vocabularyLine(provenance)}`);
  for (const note of provenance.notes ?? []) console.log(`  ${note}`);
}

export const exportCommand: Command = {
  name: "export",
  summary: "merge an adapter into its base and write it for magdi, Transformers and vLLM, or llama.cpp",
  help: HELP,
  run,
};
