// The manifest student.json: what a student folder holds, its origin, each dtype's measured quality, and every file's
// size and hash.

import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { DTYPES, type Dtype } from "./dtype.ts";

/** A dtype compared with float32. */
const qualitySchema = z.strictObject({
  /** Share of positions whose most likely token is float32's, teacher-forced on float32's own greedy answers. */
  agreement: z.number(),
  /** Positions compared. */
  positions: z.number().int(),
  perplexity: z.number(),
  perplexityFp32: z.number(),
});
export type Quality = z.infer<typeof qualitySchema>;

/** Durations of steps on the machine of the import. */
const stepTimesSchema = z.strictObject({
  /** A prompt of 64 tokens. */
  promptMs: z.number(),
  /** A step of one sample. */
  stepMs: z.number(),
  /** A step of ten samples. */
  tenRowStepMs: z.number(),
});
export type StepTimes = z.infer<typeof stepTimesSchema>;

/** Why a dtype was chosen, and the measurements of all. */
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
  /** Number of weights by format. */
  weights: z.record(z.string(), z.number().int()),
  quality: qualitySchema.nullable(),
});

/** How a student was trained. */
const trainingSchema = z.strictObject({
  /** Name of the adapter's folder. */
  adapter: z.string(),
  /** SHA-256 of the adapter's tensors. */
  adapterSha256: z.string(),
  /** Null when not known. */
  recipe: z.string().nullable(),
  /** The training data; null when not known. */
  data: z.string().nullable(),
  /** Each pair of rank and alpha, such as "rank 16, alpha 32". */
  lora: z.array(z.string()),
  /** Kinds of adapted modules, such as q_proj. */
  modules: z.array(z.string()),
});
export type Training = z.infer<typeof trainingSchema>;

/** A vocabulary that was cut to what texts need. */
const vocabularySchema = z.strictObject({
  tokens: z.number().int(),
  /** Rows of the embedding that it was cut from. */
  of: z.number().int(),
  /** Tokens of the texts in the whole vocabulary, and how many of them are of tokens that were kept. */
  textTokens: z.number().int(),
  keptTextTokens: z.number().int(),
});
export type Vocabulary = z.infer<typeof vocabularySchema>;

export const manifestSchema = z.strictObject({
  format: z.literal(1),
  name: z.string().min(1),
  /** What it was imported or trained from. */
  base: z.string(),
  family: z.string(),
  parameters: z.number().int(),
  contextLength: z.number().int(),
  licence: z.string().nullable(),
  /** The paper's level of distillation; null for a base model, or when not known. */
  level: z.number().int().nullable(),
  tasks: z.array(z.string()),
  /** Absent without training. */
  training: trainingSchema.optional(),
  /** Absent for a whole vocabulary. */
  vocabulary: vocabularySchema.optional(),
  /** Absent unless the import chose the dtype. */
  choice: choiceSchema.optional(),
  dtypes: z.partialRecord(z.enum(DTYPES), dtypeSchema),
  files: z.record(z.string(), z.strictObject({ bytes: z.number().int(), sha256: z.string() })),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const MANIFEST_FILE = "student.json";

/** Bytes of the dtype's data files. */
export function weightBytes({ dtypes, files }: Manifest, dtype: Dtype): number {
  const data = dtypes[dtype]?.data ?? [];
  return data.reduce((sum, name) => sum + (files[name]?.bytes ?? 0), 0);
}

/** Size and SHA-256 of a file. */
export async function fingerprint(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return { bytes: statSync(file).size, sha256: hash.digest("hex") };
}

/** Reads and checks student.json, and that every file in it exists with its size.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
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
