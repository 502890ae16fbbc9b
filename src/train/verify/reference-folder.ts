// A folder of reference results from another framework: its layout, and the contents of each file, read on demand.

import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { readJsonObject } from "../../base/files/json-file.ts";
import type { BaseModel } from "../../student/base-model.ts";
import { openHuggingFaceBase } from "../../student/hugging-face-base.ts";
import { openSafetensors } from "../../tensor/safetensors.ts";
import { closingOnError } from "../../tensor/tensor-file.ts";
import { HEADS_FILE, type HeadTensor, readHeads } from "../adapter/heads-file.ts";
import { type PeftAdapter, readPeftAdapter } from "../adapter/peft-adapter.ts";

const count = z.number().int().nonnegative();

const magSchema = z.object({
  /** Token ids. */
  prompt: z.array(count).min(1),
  nodes: z.array(z.object({ label: count, completion: z.array(count) })).min(1),
  /** From, to. */
  edges: z.array(z.tuple([count, count])),
});

const magsSchema = z.object({
  mags: z.array(magSchema).min(1),
  /** For each graph, pairs of a correct and an incorrect node. */
  pairs: z.array(z.array(z.tuple([count, count]))),
  weights: z.object({ nll: z.number(), margin: z.number(), node: z.number() }),
  margin: z.number().default(1),
});
export type ReferenceMags = z.infer<typeof magsSchema>;

const lossesSchema = z.object({ nll: z.number(), margin: z.number(), node: z.number(), total: z.number() });
export type ReferenceLosses = z.infer<typeof lossesSchema>;

const adamwSchema = z.object({
  lr: z.number(),
  betas: z.tuple([z.number(), z.number()]),
  eps: z.number(),
  weight_decay: z.number(),
  /** Null or 0: no clipping. */
  clip_norm: z.number().nonnegative().nullable(),
  steps: z.array(lossesSchema.extend({ grad_norm: z.number() })).min(1),
});
export type ReferenceAdamW = z.infer<typeof adamwSchema>;

/** Logits of whole sequences. */
export interface ReferenceLogits {
  readonly tokenIds: BigInt64Array;
  readonly rows: number;
  readonly columns: number;
  /** [rows, columns, vocabulary] */
  readonly logits: Float32Array;
}

/** In PyTorch a key contains the adapter's name, in PEFT's files it does not. */
const withoutAdapterName = (key: string): string =>
  key.replace(/\.lora_([AB])\.[^.]+\.weight$/, ".lora_$1.weight");

/** The parameters after the reference's steps of AdamW. */
export const PARAMETERS_FILE = "params.after3.safetensors";
const LOSSES_FILE = "expected.json";
const MAGS_FILE = "mags.json";
/** Files without which nothing can be trained; the others are optional. */
const REQUIRED = [
  "base/config.json",
  "adapter/adapter_config.json",
  "adapter/adapter_model.safetensors",
  HEADS_FILE,
  MAGS_FILE,
  LOSSES_FILE,
];

const GRADIENT_FILE = /^grads\.(.+)\.safetensors$/;

export const gradientFile = (name: string): string => `grads.${name}.safetensors`;

export class ReferenceFolder {
  readonly path: string;
  #losses: Readonly<Record<string, unknown>> | null = null;

  /** @throws MAGDI_FILE_MISSING when there is no such folder, or naming the required files that it lacks. */
  constructor(folder: string) {
    this.path = folder;
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
      throw new MagdiError(
        "MAGDI_FILE_MISSING",
        `${folder}: expected a folder of reference results, found none`,
      );
    }
    const missing = REQUIRED.filter((name) => !this.has(name));
    if (missing.length > 0) {
      throw new MagdiError(
        "MAGDI_FILE_MISSING",
        `${folder}: expected a folder of reference results, found none of ${missing.join(", ")} in it`,
      );
    }
  }

  has(name: string): boolean {
    return existsSync(this.#file(name));
  }

  #file(...parts: readonly string[]): string {
    return path.join(this.path, ...parts);
  }

  #parsed<T>(schema: z.ZodType<T>, json: unknown, where: string): T {
    const parsed = schema.safeParse(json);
    if (parsed.success) return parsed.data;
    const issues = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new MagdiError("MAGDI_BAD_FILE", `${where}: ${issues.join("; ")}`);
  }

  openBase(): BaseModel {
    return openHuggingFaceBase(this.#file("base"));
  }

  adapter(base: BaseModel): PeftAdapter {
    return readPeftAdapter(this.#file("adapter"), base.config);
  }

  heads(): Map<string, HeadTensor> {
    return readHeads(this.#file(HEADS_FILE));
  }

  mags(): ReferenceMags {
    const file = this.#file(MAGS_FILE);
    const mags = this.#parsed(magsSchema, readJsonObject(file), file);
    for (const [index, { nodes, edges }] of mags.mags.entries()) {
      const ends = [...edges, ...(mags.pairs[index] ?? [])].flat();
      if (ends.every((node) => node < nodes.length) && mags.pairs[index] !== undefined) continue;
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${file}: graph ${index}: expected edges and pairs between its ${nodes.length} nodes, found others or none`,
      );
    }
    return mags;
  }

  #expected(key: string): unknown {
    this.#losses ??= readJsonObject(this.#file(LOSSES_FILE));
    return this.#losses[key];
  }

  #parsedExpected<T>(schema: z.ZodType<T>, key: string): T | null {
    const json = this.#expected(key);
    return json === undefined ? null : this.#parsed(schema, json, `${this.#file(LOSSES_FILE)}: ${key}`);
  }

  /** The losses of an adjacency and mode, such as directed/live; null when the folder has none. */
  losses(key: string): ReferenceLosses | null {
    return this.#parsedExpected(lossesSchema, key);
  }

  /** Null when the folder has none. */
  adamw(): ReferenceAdamW | null {
    return this.#parsedExpected(adamwSchema, "adamw");
  }

  /** Names of the existing gradient files, such as directed.live. */
  gradientNames(): string[] {
    return readdirSync(this.path).flatMap((name) => GRADIENT_FILE.exec(name)?.[1] ?? []);
  }

  /** Gradients or parameters by key, adapters by PEFT key. */
  #tensors(name: string): Map<string, HeadTensor> {
    const tensors = readHeads(this.#file(name));
    return new Map([...tensors].map(([key, tensor]) => [withoutAdapterName(key), tensor]));
  }

  gradients(name: string): Map<string, HeadTensor> {
    return this.#tensors(gradientFile(name));
  }

  parametersAfter3(): Map<string, HeadTensor> {
    return this.#tensors(PARAMETERS_FILE);
  }

  /** @throws MagdiError when the file is missing, or holds no input_ids [B, T] and logits [B, T, vocabSize]. */
  logits(name: string, vocabSize: number): ReferenceLogits {
    const file = openSafetensors(this.#file(name));
    return closingOnError(file, () => {
      const shapeOf = (tensor: string): string => `[${file.entries.get(tensor)?.shape.join(", ") ?? "none"}]`;
      const [rows = 0, columns = 0] = file.entries.get("input_ids")?.shape ?? [];
      if (rows * columns === 0 || shapeOf("logits") !== `[${rows}, ${columns}, ${vocabSize}]`) {
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${file.path}: expected input_ids [B, T] and logits [B, T, ${vocabSize}], found ${shapeOf("input_ids")} and ${shapeOf("logits")}`,
        );
      }
      const raw = file.readRaw("input_ids");
      const wide = file.entries.get("input_ids")?.type === "I64";
      const ids = wide
        ? new BigInt64Array(raw.buffer)
        : BigInt64Array.from(new Int32Array(raw.buffer), BigInt);
      const beyond = ids.find((id) => id < 0n || id >= vocabSize);
      if (beyond !== undefined) {
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${file.path}: input_ids: expected ids below ${vocabSize}, the base's vocabulary, found ${beyond}`,
        );
      }
      const logits = file.readFloat32("logits");
      file.close();
      return { tokenIds: ids, rows, columns, logits };
    });
  }
}
