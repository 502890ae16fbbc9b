// A hash of what a base computes with: its configuration and the values of its weights, however they are stored. It does not
// know what the base is used for.

import { createHash } from "node:crypto";
import { expectedTensors } from "../nn/decoder-config.ts";
import type { BaseModel } from "./base-model.ts";

/** In hexadecimal. Reads every weight once. */
export function baseHash(
  { config, tensors }: Pick<BaseModel, "config" | "tensors">,
  onProgress: (done: number, total: number) => void = () => {},
): string {
  const hash = createHash("sha256").update(JSON.stringify(config));
  const names = [...expectedTensors(config).keys()].filter((name) => tensors.has(name)).sort();
  for (const [index, name] of names.entries()) {
    onProgress(index, names.length);
    const { buffer, byteOffset, byteLength } = tensors.get(name)!.readFloat32(); // one of its names
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest("hex");
}
