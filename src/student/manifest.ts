// student.json: what a student folder holds, where it comes from, how well each dtype was measured, and the size and
// hash of every file.

import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { DTYPES, type Dtype } from "./dtype.ts";

/** How a dtype compares with float32 on the same weights. */
const qualitySchema = z.strictObject({
  /** Share of positions whose most likely token is float32's, teacher-forced on float32's own greedy answers. */
  agreement: z.number(),
  /** Positions compared. */
  positions: z.number().int(),
  perplexity: z.number(),
  perplexityFp32: z.number(),
});
export type Quality = z.infer<typeof qualitySchema>;

/** How long steps take where they were measured. */
const stepTimesSchema = z.strictObject({
  /** A prompt of 64 tokens. */
  promptMs: z.number(),
  /** A step of one sample. */
  stepMs: z.number(),
  /** A step of ten samples. */
  tenRowStepMs: z.number(),
});
export type StepTimes = z.infer<typeof stepTimesSchema>;

/** Why a dtype was kept, and what those that were measured gave. */
const choiceSchema = z.strictObject({
  dtype: z.enum(DTYPES),
  reason: z.string(),
  measured: z.array(
    stepTimesSchema.extend({ dtype: z.enum(DTYPES), agreement: z.number(), perplexity: z.number() }),
  ),
});
export type Choice = z.infer<typeof choiceSchema>;

const dtypeSchema = z.strictObject({
  engine: z.string(),
  model: z.string(),
  data: z.array(z.string()),
  /** Weights by stored format. */
  weights: z.record(z.string(), z.number().int()),
  quality: qualitySchema.nullable(),
});

/** How a student came out of its base. */
const trainingSchema = z.strictObject({
  /** The adapter's folder, by its name. */
  adapter: z.string(),
  /** SHA-256 of the adapter's tensors. */
  adapterSha256: z.string(),
  /** The recipe of the training, where it is known. */
  recipe: z.string().nullable(),
  /** What it learned from, where it is known. */
  data: z.string().nullable(),
  /** Each rank and alpha there is, such as "rank 16, alpha 32". */
  lora: z.array(z.string()),
  /** The adapted modules' kinds, such as q_proj. */
  modules: z.array(z.string()),
});
export type Training = z.infer<typeof trainingSchema>;

export const manifestSchema = z.strictObject({
  format: z.literal(1),
  name: z.string().min(1),
  /** What it was imported or trained from. */
  base: z.string(),
  family: z.string(),
  parameters: z.number().int(),
  contextLength: z.number().int(),
  licence: z.string().nullable(),
  /** The paper's level of distillation; null for a base model, and where it is not known. */
  level: z.number().int().nullable(),
  tasks: z.array(z.string()),
  /** Absent where nothing was trained. */
  training: trainingSchema.optional(),
  /** Absent where the dtypes were named. */
  choice: choiceSchema.optional(),
  dtypes: z.partialRecord(z.enum(DTYPES), dtypeSchema),
  files: z.record(z.string(), z.strictObject({ bytes: z.number().int(), sha256: z.string() })),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const MANIFEST_FILE = "student.json";

/** Bytes of the dtype's data files: what a step reads. */
export function weightBytes({ dtypes, files }: Manifest, dtype: Dtype): number {
  const data = dtypes[dtype]?.data ?? [];
  return data.reduce((sum, name) => sum + (files[name]?.bytes ?? 0), 0);
}

/** Size and SHA-256 of a file, read as a stream. */
export async function fingerprint(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return { bytes: statSync(file).size, sha256: hash.digest("hex") };
}

/** Reads and checks student.json, and that every file it names is there with its size.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE saying what to do. */
export function readManifest(folder: string): Manifest {
  const file = path.join(folder, MANIFEST_FILE);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${folder}: expected a student folder, with a ${MANIFEST_FILE} in it; make one with: magdi import ${
        existsSync(path.join(folder, "config.json"))
          ? `${folder} --out models/NAME`
          : `SOURCE --out ${folder}`
      }`,
      { cause },
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new MagdiError("MAGDI_BAD_FILE", `${file}: not JSON; import the student again`, { cause });
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${file}: ${issue?.path.join(".")}: ${issue?.message}; import the student again`,
    );
  }
  const wrong = Object.entries(parsed.data.files).flatMap(([name, { bytes }]) => {
    const found = statSync(path.join(folder, name), { throwIfNoEntry: false })?.size;
    return found === bytes ? [] : [`${name}: expected ${bytes} bytes, found ${found ?? "nothing"}`];
  });
  if (wrong.length > 0) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${folder}: ${wrong.join("; ")}; copy the folder or import it again`,
    );
  }
  return parsed.data;
}
