// Writes a safetensors file whole or not at all. It knows nothing of what the tensors are for.

import { WholeFile } from "../base/files/whole-file.ts";
import { badFile, quoted, unsupported } from "./bad-file.ts";
import { tensorByteLength, typeLayout } from "./stored-type.ts";
import { dataOf, type TensorData } from "./tensor-data.ts";

export type { TensorData } from "./tensor-data.ts";

/**
 * Writes beside `path`, syncs, and renames, so that `path` is the old file or the whole new one. The same tensors
 * give the same bytes in whatever order they come: widest elements first, then by name, so that every tensor begins
 * on a multiple of its element's size, and the data on a multiple of 8.
 *
 * @throws MagdiError MAGDI_BAD_FILE when a name comes twice or data does not fit its shape; MAGDI_UNSUPPORTED for
 * ggml's blocks, which the format has no names for; MAGDI_NOT_WRITTEN.
 * @example writeSafetensors("a.safetensors", [{ name: "w", type: "F32", shape: [2], data: new Float32Array(2) }])
 */
export function writeSafetensors(
  path: string,
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>> = {},
  onWritten?: (name: string) => void,
): void {
  const ordered = [...tensors].sort(byWidthThenName);
  const header = buildHeader(path, ordered, metadata);
  const file = new WholeFile(path);
  file.write(header);
  try {
    for (const tensor of ordered) {
      file.write(dataOf(path, tensor));
      onWritten?.(tensor.name);
    }
  } catch (error) {
    file.discard();
    throw error;
  }
  file.commit();
}

function byWidthThenName(a: TensorData, b: TensorData): number {
  const width = typeLayout(b.type).blockBytes - typeLayout(a.type).blockBytes;
  return width || (a.name < b.name ? -1 : Number(a.name > b.name));
}

function buildHeader(
  path: string,
  ordered: readonly TensorData[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const pairs: string[] = [];
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  // Keys one by one rather than as an object, whose own order would put "2" before "10".
  const texts = sorted.map(([key, text]) => `${JSON.stringify(key)}:${JSON.stringify(text)}`);
  if (texts.length > 0) pairs.push(`"__metadata__":{${texts.join(",")}}`);
  const seen = new Set(["__metadata__", ""]);
  let offset = 0;
  for (const tensor of ordered) {
    if (seen.has(tensor.name)) throw badFile(path, "writing", "names of their own", quoted(tensor.name));
    seen.add(tensor.name);
    const end = offset + checkedByteLength(path, tensor);
    const info = { dtype: tensor.type, shape: tensor.shape, data_offsets: [offset, end] };
    pairs.push(`${JSON.stringify(tensor.name)}:${JSON.stringify(info)}`);
    offset = end;
  }
  const json = Buffer.from(`{${pairs.join(",")}}`);
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  return header;
}

function checkedByteLength(path: string, tensor: TensorData): number {
  const { name, type, shape, data } = tensor;
  const where = `writing tensor ${quoted(name)}`;
  if (typeLayout(type).blockElements > 1) throw unsupported(path, where, `the format has no ${type}`);
  const expected = tensorByteLength(type, shape);
  if (expected === null) throw badFile(path, where, "a shape that can be counted", `[${shape.join(", ")}]`);
  if (typeof data !== "function") dataOf(path, tensor);
  return expected;
}
