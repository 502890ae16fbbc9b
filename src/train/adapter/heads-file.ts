// The safetensors file of the training heads (score head and node classifier), which are needed to resume training but not
// to serve a student.

import { MagdiError } from "../../base/errors.ts";
import { openSafetensors, writeSafetensors } from "../../tensor/safetensors.ts";
import { type Shape, shapeMismatches } from "../../tensor/shape-mismatch.ts";
import { closingOnError } from "../../tensor/tensor-file.ts";

export const HEADS_FILE = "heads.safetensors";

export interface HeadTensor {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** Every tensor of the file by key, weights [out, in]. Given `expected`, it must hold these and no others.
 * @throws MAGDI_FILE_MISSING; MAGDI_BAD_FILE naming every tensor that does not fit, with both shapes. */
export function readHeads(path: string, expected?: ReadonlyMap<string, Shape>): Map<string, HeadTensor> {
  const file = openSafetensors(path);
  return closingOnError(file, () => {
    const mismatches = expected === undefined ? "" : shapeMismatches(expected, file.entries);
    if (mismatches !== "") {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${path}: these are other heads than those asked for${mismatches}`,
      );
    }
    const heads = new Map(
      [...file.entries].map(([key, { shape }]) => [key, { shape, data: file.readFloat32(key) }]),
    );
    file.close();
    return heads;
  });
}

/** Writes the file whole or not at all. The file system's errors pass through. */
export function writeHeads(path: string, heads: ReadonlyMap<string, HeadTensor>): void {
  writeSafetensors(
    path,
    [...heads].map(([name, { shape, data }]) => ({ name, type: "F32" as const, shape, data })),
    { format: "pt" },
  );
}
