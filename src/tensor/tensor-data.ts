// A tensor to be written into a file, whatever its format. Its data may be made when its turn comes, so that no more than
// one tensor is in memory.

import { badFile, quoted } from "./bad-file.ts";
import { type TensorType, tensorByteLength } from "./stored-type.ts";

/** Row-major, its numbers little-endian as typed arrays have them. */
export interface TensorData {
  readonly name: string;
  readonly type: TensorType;
  /** Outermost dimension first, also for GGUF, whose files have the reverse order. */
  readonly shape: readonly number[];
  /** Of the bytes that type and shape come to. */
  readonly data: ArrayBufferView | (() => ArrayBufferView);
}

/** The tensor's bytes. @throws MAGDI_BAD_FILE naming the file and the tensor when they do not fit type and shape. */
export function dataOf(path: string, { name, type, shape, data }: TensorData): ArrayBufferView {
  const bytes = typeof data === "function" ? data() : data;
  const expected = tensorByteLength(type, shape);
  if (expected === bytes.byteLength) return bytes;
  throw badFile(
    path,
    `writing tensor ${quoted(name)}`,
    `${expected} bytes for ${type} [${shape.join(", ")}]`,
    bytes.byteLength,
  );
}
