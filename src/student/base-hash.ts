// A hash of what a base computes with: its configuration and the values of its weights, however they are stored. It is taken
// while somebody reads the weights, who has to read them anyway.

import { createHash } from "node:crypto";
import { expectedTensors } from "../nn/decoder-config.ts";
import type { BaseModel } from "./base-model.ts";

export interface HashedBase {
  /** The same base; closing it closes the other. */
  readonly base: BaseModel;
  /** In hexadecimal. Reads the weights that were not read yet. */
  readonly hash: () => string;
}

export function hashedWhileRead(base: BaseModel): HashedBase {
  const digests = new Map<string, Buffer>();
  const tensors = new Map(
    [...base.tensors].map(([name, tensor]) => {
      const readFloat32 = (): Float32Array => {
        const values = tensor.readFloat32();
        const { buffer, byteOffset, byteLength } = values;
        const digest = createHash("sha256")
          .update(new Uint8Array(buffer, byteOffset, byteLength))
          .digest();
        digests.set(name, digest);
        return values;
      };
      return [name, { ...tensor, readFloat32 }] as const;
    }),
  );
  return {
    base: { ...base, tensors, close: () => base.close() },
    hash() {
      const hash = createHash("sha256").update(JSON.stringify(base.config));
      const names = [...expectedTensors(base.config).keys()].filter((name) => tensors.has(name)).sort();
      for (const name of names) {
        if (!digests.has(name)) tensors.get(name)?.readFloat32();
        hash.update(name).update(digests.get(name) ?? "");
      }
      return hash.digest("hex");
    },
  };
}
