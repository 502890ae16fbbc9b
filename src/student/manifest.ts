// The manifest student.json: what a student folder holds, its origin, each dtype's measured quality, and every file's
// size and hash.

import { closeSync, existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { openRegularFile, readRegularText } from "../base/files/regular-file.ts";
import { DTYPES, type Dtype, REMOVED_DTYPES } from "./dtype.ts";
import { TEXT_FILES } from "./text-files.ts";

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

/** What of a dtype in 4 bits is in 8. */
const mixedSchema = z.strictObject({
  /** Such as "down in layers 0 to 5". */
  inEight: z.array(z.string()),
  /** Agreement with all of it in 4 bits. */
  plainAgreement: z.number(),
});
export type Mixed = z.infer<typeof mixedSchema>;

/** Why a dtype was chosen, and the measurements of all. */
const choiceSchema = z.strictObject({
  dtype: z.enum(DTYPES),
  reason: z.string(),
  measured: z.array(
    // Among them may be formats that are gone.
    stepTimesSchema.extend({ dtype: z.string(), agreement: z.number(), perplexity: z.number() }),
  ),
  /** Absent where all of q4 is in 4 bits. */
  mixed: mixedSchema.optional(),
});
export type Choice = z.infer<typeof choiceSchema>;

/** A path inside the folder, with the slashes of every system. */
const fileName = z.string().refine((name) => isPlainPath(name), {
  error: ({ input }) => `expected a path inside the folder, found ${JSON.stringify(input).slice(0, 100)}`,
});

function isPlainPath(name: string): boolean {
  const parts = name.split("/");
  return !/[\\:\0]/.test(name) && parts.every((part) => part !== "" && part !== "." && part !== "..");
}

const dtypeSchema = z.strictObject({
  engine: fileName,
  model: fileName,
  data: z.array(fileName),
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

/** Clients name it, and terminals show it. */
export const studentName = z
  .string()
  .regex(/^[^\p{Cc}\p{Zl}\p{Zp}]{1,200}$/u, "expected 1 to 200 characters without control characters");
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
  name: studentName,
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
  /** What was read otherwise than one may expect; absent where nothing was. */
  notes: z.array(z.string()).optional(),
  /** Absent for a whole vocabulary. */
  vocabulary: vocabularySchema.optional(),
  /** Absent unless the import chose the dtype. */
  choice: choiceSchema.optional(),
  dtypes: z.partialRecord(z.enum(DTYPES), dtypeSchema),
  files: z.record(
    fileName,
    z.strictObject({ bytes: z.number().int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});
export type Manifest = z.infer<typeof manifestSchema>;

/** What a manifest and a card say of a model whatever format it is in. */
export type Provenance = Omit<Manifest, "format" | "choice" | "dtypes" | "files">;

export const MANIFEST_FILE = "student.json";

/** Bytes of the dtype's data files. */
export function weightBytes({ dtypes, files }: Manifest, dtype: Dtype): number {
  const data = dtypes[dtype]?.data ?? [];
  return data.reduce((sum, name) => sum + (files[name]?.bytes ?? 0), 0);
}

/** Files that are read wherever they lie, whether or not a manifest names them. */
export const READ_IF_THERE = ["config.json", "generation_config.json", ...TEXT_FILES];

/** Reads and checks student.json, and that every file in it exists with its size. Hashes are for FileCheck.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE; MAGDI_UNSUPPORTED for a student in formats that are gone. */
export function readManifest(folder: string): Manifest {
  const file = path.join(folder, MANIFEST_FILE);
  let text: string;
  try {
    text = readRegularText(file, { within: folder });
  } catch (cause) {
    if (cause instanceof MagdiError && cause.code !== "MAGDI_FILE_MISSING") throw cause;
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
  const parsed = manifestSchema.safeParse(withoutRemovedDtypes(json, folder));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${file}: ${issue?.path.join(".")}: ${issue?.message}; import the student again`,
    );
  }
  const { files, dtypes } = parsed.data;
  const used = Object.values(dtypes).flatMap(({ engine, model, data }) => [engine, model, ...data]);
  const there = READ_IF_THERE.filter((name) => existsSync(path.join(folder, name)));
  const unlisted = [...new Set([...used, ...there])].filter((name) => !Object.hasOwn(files, name));
  if (unlisted.length > 0) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${file}: files: expected each file that is used, with its hash, found no ${unlisted.join(", ")}; import the student again`,
    );
  }
  const wrong = Object.entries(files).flatMap(([name, { bytes }]) => {
    const found = sizeOf(folder, name);
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

const anyDtypes = z.looseObject({ base: z.string(), dtypes: z.looseObject({}) });

/** A manifest without the formats that are gone. @throws MAGDI_UNSUPPORTED where it has no other, with how to make the student
 * anew. */
function withoutRemovedDtypes(json: unknown, folder: string): unknown {
  const { success, data } = anyDtypes.safeParse(json);
  if (!success) return json;
  const held = Object.keys(data.dtypes);
  const kept = Object.entries(data.dtypes).filter(([dtype]) => !REMOVED_DTYPES.includes(dtype));
  if (kept.length > 0 || held.length === 0) return { ...data, dtypes: Object.fromEntries(kept) };
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${folder}: its weights are in ${held.join(", ")}, a format of earlier versions that is no longer computed; make the student anew from ${JSON.stringify(data.base).slice(0, 200)}: magdi import SOURCE --dtype q4 --out DIR, or with an adapter magdi export`,
  );
}

/** Null where there is none. @throws MAGDI_BAD_FILE */
function sizeOf(folder: string, name: string): number | null {
  try {
    const { descriptor, sizeBytes } = openRegularFile(path.join(folder, name), { within: folder });
    closeSync(descriptor);
    return sizeBytes;
  } catch (error) {
    if (error instanceof MagdiError && error.code === "MAGDI_FILE_MISSING") return null;
    throw error;
  }
}
