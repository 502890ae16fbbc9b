// The adapter that a run trains on: its values as the first ones of the run, and the heads beside it where they fit.

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import type { DecoderConfig } from "../../nn/decoder-config.ts";
import type { LoraOptions } from "../../nn/lora.ts";
import { HEADS_FILE, type HeadTensor, readHeads } from "./heads-file.ts";
import {
  adapterKey,
  assertNotNoOp,
  type PeftAdapter,
  readPeftAdapter,
  trainableLora,
} from "./peft-adapter.ts";

export interface InitAdapter {
  readonly adapter: PeftAdapter;
  /** The modules with their ranks and scales, without dropout. */
  readonly lora: LoraOptions;
  /** Those of a folder that has some. */
  readonly heads: ReadonlyMap<string, HeadTensor> | null;
  /** Of all values, in hexadecimal. */
  readonly hash: string;
}

/** @throws as readPeftAdapter, trainableLora and readHeads; MAGDI_BAD_FILE for an adapter that changes nothing */
export function readInitAdapter(folder: string, config: DecoderConfig): InitAdapter {
  const adapter = readPeftAdapter(folder, config);
  assertNotNoOp(adapter);
  const file = path.join(folder, HEADS_FILE);
  const heads = existsSync(file) ? readHeads(file) : null;
  const hash = createHash("sha256");
  const add = (name: string, { buffer, byteOffset, byteLength }: Float32Array): void => {
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  };
  for (const { module, a, b, scale } of adapter.modules) {
    hash.update(JSON.stringify([module, scale]));
    add(adapterKey(module, "A"), a);
    add(adapterKey(module, "B"), b);
  }
  for (const [key, { data }] of heads ?? []) add(key, data);
  return { adapter, lora: trainableLora(config, adapter), heads, hash: hash.digest("hex") };
}

/** Writes the adapter into a training step's parameters, and the heads if all of the step's are among them, in the same
 * shapes. Returns whether they are. */
export function applyInitAdapter(
  { adapter, heads }: InitAdapter,
  parameters: ReadonlyMap<string, Float32Array>,
  shapes: ReadonlyMap<string, readonly number[]>,
): boolean {
  const adapters = new Set<string>();
  for (const { module, a, b } of adapter.modules) {
    for (const [part, values] of [
      ["A", a],
      ["B", b],
    ] as const) {
      const key = adapterKey(module, part);
      adapters.add(key);
      parameters.get(key)?.set(values);
    }
  }
  const wanted = [...shapes].filter(([key]) => !adapters.has(key));
  const fits = wanted.every(([key, shape]) => heads?.get(key)?.shape.join() === shape.join());
  if (fits) for (const [key] of wanted) parameters.get(key)?.set(heads?.get(key)?.data ?? []);
  return fits && wanted.length > 0;
}
