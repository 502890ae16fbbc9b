// What the commands that write a student folder share: its measurement and the summary they end with.

import { MagdiError } from "../base/errors.ts";
import { measureQuality } from "../measuring/quality.ts";
import { measureStepTimes } from "../measuring/step-times.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
import { AUTO_DTYPES, DTYPES, parseDtypes, workTime } from "../student/dtype.ts";
import type { ImportOptions } from "../student/import-student.ts";
import type { Manifest } from "../student/manifest.ts";
import type { Progress } from "./progress.ts";

/** Without text, as many as there are processors to use. @throws MAGDI_BAD_CONFIG when it is no whole number from 1. */
export function parseThreads(text: string | undefined): number {
  const threads = text === undefined ? usableProcessors() : Number(text);
  if (Number.isInteger(threads) && threads >= 1) return threads;
  throw new MagdiError("MAGDI_BAD_CONFIG", `--threads: expected a whole number from 1, found "${text}"`);
}

/** Measures each written dtype against float32. */
export function measurement(threads: number, progress: Progress): NonNullable<ImportOptions["measure"]> {
  return (folder, { config }, reference, written) =>
    measureQuality(reference, written, { folder, config, threads, onProgress: progress.report });
}

/** What --dtype takes, for both commands' help. */
export const DTYPE_HELP = `any of ${DTYPES.join(", ")}, separated by commas, or auto`;

/** What --dtype and --no-measure ask for. @throws MAGDI_BAD_CONFIG for a dtype that there is not, and for auto without
 * measuring. */
export function writtenFormats(
  { dtype, measured }: { readonly dtype: string; readonly measured: boolean },
  threads: number,
  progress: Progress,
): Pick<ImportOptions, "dtypes" | "measure" | "time"> {
  const auto = dtype === "auto";
  const dtypes = auto ? AUTO_DTYPES : [...new Set(parseDtypes(dtype))];
  if (!measured && !auto) return { dtypes };
  if (!measured) {
    throw new MagdiError("MAGDI_BAD_CONFIG", "--dtype: auto measures, found --no-measure; name a dtype");
  }
  return {
    dtypes,
    measure: measurement(threads, progress),
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
  return [`kept ${choice.dtype}: ${choice.reason}`, ...lines];
}

/** Says what was written, and how to serve it. */
export function printStudent(out: string, manifest: Manifest): void {
  console.log(`${out}: ${manifest.name}, ${(manifest.parameters / 1e6).toFixed(1)} million parameters`);
  for (const [dtype, { quality, weights }] of Object.entries(manifest.dtypes)) {
    const formats = Object.entries(weights).map(
      ([format, count]) => `${(count / 1e6).toFixed(1)} M in ${format}`,
    );
    const measured =
      quality === null
        ? "not measured"
        : `agreement with fp32 ${(100 * quality.agreement).toFixed(1)} % of ${quality.positions} tokens, perplexity ${quality.perplexity.toFixed(2)} (fp32 ${quality.perplexityFp32.toFixed(2)})`;
    console.log(`  ${dtype}: ${measured}; ${formats.join(", ")}`);
  }
  for (const line of choiceLines(manifest)) console.log(`  ${line}`);
  if (manifest.files["tokenizer.json"] === undefined) {
    console.log("  no tokenizer in the source: ONNX users can load it, magdi serve cannot");
  } else console.log(`Serve it with: npx magdi serve --model ${out}`);
}
