// Shared by the commands that write a student folder: flags, measurement and summary.

import type { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { bareFlag, repeated, text, wholeNumber } from "../base/settings/kinds.ts";
import { openQualityMeter } from "../measuring/quality.ts";
import { measureStepTimes } from "../measuring/step-times.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
import { DTYPES, type Dtype, parseDtypes } from "../student/dtype.ts";
import { AUTO_DTYPES, workTime } from "../student/dtype-choice.ts";
import { hubSettings } from "../student/hub.ts";
import { type Choice, type Manifest, weightBytes } from "../student/manifest.ts";
import { mixedText, vocabularyLine } from "../student/model-card.ts";
import type { ImportOptions } from "../student/write-student-folder.ts";
import { type Progress, terminalProgress } from "./progress.ts";
import { vocabularyFrom } from "./vocabulary-texts.ts";

export const threadsFlag = (what: string) =>
  wholeNumber(1).exactOptional().describe(`${what} (default: all cores)`);

/** `more` is added to the description of --dtype. */
export const writtenFlags = (dtype: string, more = "") => ({
  dtype: text("formats", "LIST")
    .default(dtype)
    .describe(`any of ${DTYPES.join(", ")}, separated by commas, or auto${more}`),
  name: text("a name", "NAME").exactOptional().describe("the student's name (default: the folder's)"),
  origin: text()
    .exactOptional()
    .describe("origin of the base, for the card (default: SOURCE's file name or hub id)"),
  threads: threadsFlag("threads for the measurements"),
  maxSizeMb: wholeNumber(1)
    .exactOptional()
    .describe("with --dtype auto: the weights take at most N million bytes"),
  noMeasure: bareFlag().describe(
    "do not compare with float32 (agreement and perplexity, written into the card)",
  ),
  vocabulary: repeated("a file of texts", "TEXTS")
    .exactOptional()
    .describe(`keep only the tokens that these texts need, all bytes and special tokens:
a text file, or JSON of any kind, whose strings count; give it once for
each file. Every text can still be written`),
  vocabularySize: wholeNumber(1)
    .exactOptional()
    .describe(`keep at most N tokens: those that the texts use most, then the most common
of the whole vocabulary (default: what the texts need)`),
  force: bareFlag().describe("replace an existing student folder"),
});
type WrittenFlags = z.output<z.ZodObject<ReturnType<typeof writtenFlags>>>;

/** Writes a student with progress on stderr and a summary. Resolves to the exit code 0. */
export async function writeStudent(
  {
    out,
    dtype,
    noMeasure,
    maxSizeMb,
    threads = usableProcessors(),
    vocabulary,
    vocabularySize,
    ...others
  }: WrittenFlags & { readonly out: string },
  write: (options: Omit<ImportOptions, "source" | "adapt">) => Promise<Manifest>,
): Promise<number> {
  const progress = terminalProgress(process.stderr);
  try {
    const manifest = await write({
      ...others,
      ...writtenFormats({ dtype, measured: !noMeasure, maxSizeMb }, threads, progress),
      ...vocabularyFrom(vocabulary, vocabularySize),
      out,
      threads,
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

/** Opens what measures each written dtype against float32. */
export function measurement(threads: number, progress: Progress): NonNullable<ImportOptions["measure"]> {
  return (folder, { config }, reference) =>
    openQualityMeter(reference, { folder, config, threads, onProgress: progress.report });
}

/** @throws MAGDI_BAD_CONFIG for an unknown dtype, and for auto without measuring */
function writtenFormats(
  {
    dtype,
    measured,
    maxSizeMb,
  }: { readonly dtype: string; readonly measured: boolean; readonly maxSizeMb: number | undefined },
  threads: number,
  progress: Progress,
): Pick<ImportOptions, "dtypes" | "measure" | "time" | "maxBytes"> {
  const auto = dtype === "auto";
  if (maxSizeMb !== undefined && !auto) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--max-size-mb: chooses what fits, which --dtype auto does, found --dtype ${dtype}; leave one of them out`,
    );
  }
  const dtypes = auto ? AUTO_DTYPES : [...new Set(parseDtypes(dtype))];
  if (!measured && !auto) return { dtypes };
  if (!measured) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      "--dtype: auto needs measurements, found --no-measure; name a dtype",
    );
  }
  return {
    dtypes,
    measure: measurement(threads, progress),
    ...(maxSizeMb === undefined ? {} : { maxBytes: maxSizeMb * 1e6 }),
    ...(auto
      ? {
          time: ({ config }, written) =>
            measureStepTimes(written, { config, threads, onProgress: progress.report }),
        }
      : {}),
  };
}

function choiceLines({ choice }: Manifest): string[] {
  if (choice === undefined) return [];
  const lines = choice.measured.map((one) => {
    const steps = `prompt ${one.promptMs.toFixed(0)} ms, step ${one.stepMs.toFixed(1)} ms, of ten ${one.tenRowStepMs.toFixed(1)} ms`;
    return `  ${one.dtype}: agreement ${(100 * one.agreement).toFixed(1)} %, ${workTime(one).toFixed(0)} ms of work (${steps})`;
  });
  return [`kept ${choice.dtype}: ${choice.reason}`, ...lines, ...mixedLines(choice)];
}

function mixedLines({ mixed }: Choice): string[] {
  return mixed === undefined ? [] : [`  ${mixedText(mixed)}`];
}

/** Prints what was written and how to serve it. */
export function printStudent(out: string, manifest: Manifest): void {
  console.log(`${out}: ${manifest.name}, ${(manifest.parameters / 1e6).toFixed(1)} million parameters`);
  if (manifest.vocabulary !== undefined) console.log(`  ${vocabularyLine(manifest)}`);
  for (const [dtype, { quality, weights }] of Object.entries(manifest.dtypes)) {
    const formats = Object.entries(weights).map(
      ([format, count]) => `${(count / 1e6).toFixed(1)} M in ${format}`,
    );
    const measured =
      quality === null
        ? "not measured"
        : `agreement with fp32 ${(100 * quality.agreement).toFixed(1)} % of ${quality.positions} tokens, perplexity ${quality.perplexity.toFixed(2)} (fp32 ${quality.perplexityFp32.toFixed(2)})`;
    const megabytes = weightBytes(manifest, dtype as Dtype) / 1e6; // a key of the manifest's dtypes
    console.log(`  ${dtype}: ${measured}; ${formats.join(", ")}; ${megabytes.toFixed(1)} MB`);
  }
  for (const note of manifest.notes ?? []) console.log(`  ${note}`);
  for (const line of choiceLines(manifest)) console.log(`  ${line}`);
  if (manifest.files["tokenizer.json"] === undefined) {
    console.log("  the source has no tokenizer: ONNX Runtime can load the student, magdi serve cannot");
  } else console.log(`Serve it with: npx magdi serve --model ${out}`);
}
