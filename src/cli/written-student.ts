// What the commands that write a student folder share: its measurement and the summary they end with.

import { measureQuality } from "../engine/quality.ts";
import { MagdiError } from "../errors.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
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
  return (folder, base, reference, dtypes) =>
    measureQuality(reference, dtypes, {
      folder,
      config: base.config,
      threads,
      onProgress: progress.report,
    });
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
  if (manifest.files["tokenizer.json"] === undefined) {
    console.log("  no tokenizer in the source: ONNX users can load it, magdi serve cannot");
  } else console.log(`Serve it with: npx magdi serve --model ${out}`);
}
