// Reads a student folder as a base model: the weights of its graph, as floats or in their quantised codes, so that
// another dtype is made from the same values.

import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { readRegularFile } from "../base/files/regular-file.ts";
import { expectedTensors } from "../nn/decoder-config.ts";
import { DATA_TYPE_BYTES, elementsOf } from "../onnx/graph.ts";
import { FileBytes } from "../tensor/file-bytes.ts";
import type { BlockGrid } from "../tensor/ggml-blocks.ts";
import { decodeFloat16 } from "../tensor/half.ts";
import { type BaseModel, type BaseTensor, checkTensors } from "./base-model.ts";
import type { Dtype } from "./dtype.ts";
import { MOST_GRAPH_BYTES } from "./file-check.ts";
import { GraphWeights } from "./graph-weights.ts";
import { readHuggingFaceTexts } from "./hugging-face-base.ts";
import { readManifest } from "./manifest.ts";
import { openStudentFolder } from "./open-student-folder.ts";
import { BLOCK_SIZE, unpackCodes } from "./quantise-blocks.ts";

/** The dtypes that other dtypes can be made from, best first. */
const SOURCE_DTYPES: readonly Dtype[] = ["fp32", "q4"];

/** Opens the folder; tensors are read on demand.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG when it has none of SOURCE_DTYPES. */
export function openStudentBase(folder: string): BaseModel {
  const { dtypes } = readManifest(folder);
  const dtype = SOURCE_DTYPES.find((name) => dtypes[name] !== undefined);
  if (dtype === undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `${folder}: a student is made into other formats from its ${SOURCE_DTYPES.join(" or ")}, found ${Object.keys(dtypes).join(", ")}; import what it was made from`,
    );
  }
  const { engineGraph, config, manifest } = openStudentFolder(folder, dtype);
  const stored = new StoredTensors(engineGraph, folder);
  try {
    const tensors = tensorsOf(stored, expectedTensors(config));
    checkTensors(folder, config, tensors);
    return {
      ...readHuggingFaceTexts(folder),
      source: folder,
      config,
      tensors,
      licence: manifest.licence,
      close: () => stored.close(),
    };
  } catch (error) {
    stored.close();
    throw error;
  }
}

/** The initializers of a graph file, read on demand. */
class StoredTensors {
  readonly #graphPath: string;
  readonly #folder: string;
  readonly weights: GraphWeights;
  readonly #files = new Map<string, FileBytes>();

  constructor(graphPath: string, folder: string) {
    this.#graphPath = graphPath;
    this.#folder = folder;
    this.weights = GraphWeights.decode(
      readRegularFile(graphPath, { within: folder, maxBytes: MOST_GRAPH_BYTES }),
    );
  }

  has(name: string): boolean {
    return this.weights.has(name);
  }

  /** Bytes of one block of a row: the tensor's last dimension. */
  blockBytes(name: string): number {
    return this.weights.initializers.get(name)?.shape.at(-1) ?? 0;
  }

  /** Rows [first, first + rows) of a tensor with `rowLength` values in each row.
   * @throws MAGDI_BAD_FILE when the tensor is missing or too small */
  bytes(name: string, first: number, rows: number, rowLength: number): Uint8Array<ArrayBuffer> {
    const tensor = this.weights.initializers.get(name);
    const values = tensor === undefined ? 0 : elementsOf(tensor.shape);
    if (tensor === undefined || values < (first + rows) * rowLength || values % rowLength !== 0) {
      const found = tensor === undefined ? "nothing" : `a shape of [${tensor.shape.join(", ")}]`;
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${this.#graphPath}: ${name}: expected at least ${first + rows} rows of ${rowLength}, found ${found}`,
      );
    }
    const width = DATA_TYPE_BYTES[tensor.type] * rowLength;
    const { data } = tensor;
    if (data.kind === "inline")
      return new Uint8Array(data.bytes.slice(first * width, (first + rows) * width));
    const file = path.join(path.dirname(this.#graphPath), data.location);
    let open = this.#files.get(file);
    if (open === undefined) {
      open = new FileBytes(file, { within: this.#folder });
      this.#files.set(file, open);
    }
    return open.read(data.offset + first * width, rows * width, `tensor "${name}"`);
  }

  /** The same for a tensor of floats. */
  floats(name: string, first: number, rows: number, rowLength: number): Float32Array<ArrayBuffer> {
    const bytes = this.bytes(name, first, rows, rowLength);
    return this.weights.initializers.get(name)?.type === "float16"
      ? decodeFloat16(bytes)
      : new Float32Array(bytes.buffer);
  }

  close(): void {
    for (const file of this.#files.values()) file.close();
  }
}

/** The expected tensors that are stored, by name. */
function tensorsOf(
  stored: StoredTensors,
  expected: ReadonlyMap<string, readonly number[]>,
): Map<string, BaseTensor> {
  const rowsOf = (module: string): number => expected.get(`${module}.weight`)?.[0] ?? 0;
  const tensors = new Map<string, BaseTensor>();
  for (const [name, shape] of expected) {
    const module = name.slice(0, name.lastIndexOf("."));
    const group = stored.weights.groupOf(module);
    if (group === undefined) continue;
    const before = group.modules.slice(0, group.modules.indexOf(module));
    const firstRow = before.reduce((sum, other) => sum + rowsOf(other), 0);
    const whole = group.name + name.slice(module.length);
    tensors.set(
      name,
      stored.has(`${whole}.codes`)
        ? gridTensor(stored, whole, firstRow, shape)
        : {
            shape,
            sourceBits: null,
            readFloat32: () => stored.floats(whole, firstRow, shape[0] ?? 1, shape[1] ?? 1),
            readGrid: null,
          },
    );
  }
  return tensors;
}

/** Rows of a matrix in quantised blocks; without minimums, codes are around 2^(bits−1). */
function gridTensor(
  stored: StoredTensors,
  name: string,
  firstRow: number,
  shape: readonly number[],
): BaseTensor {
  const [rows = 1, columns = 1] = shape;
  const blocks = columns / BLOCK_SIZE;
  const bits = stored.blockBytes(`${name}.codes`) < BLOCK_SIZE ? 4 : 8;
  const readGrid = (): BlockGrid => {
    const packed = stored.bytes(`${name}.codes`, firstRow, rows, (columns * bits) / 8);
    const scales = stored.floats(`${name}.scales`, firstRow, rows, blocks);
    const minimums = stored.has(`${name}.mins`);
    const mins = minimums
      ? stored.floats(`${name}.mins`, firstRow, rows, blocks)
      : scales.map((scale) => -(2 ** (bits - 1)) * scale);
    const centre = minimums ? stored.weights.centreOf(name.slice(0, name.lastIndexOf("."))) : null;
    return { bits, codes: unpackCodes(packed, bits, centre ?? 2 ** (bits - 1)), scales, mins };
  };
  const readFloat32 = (): Float32Array => {
    const { codes, scales, mins } = readGrid();
    const values = new Float32Array(codes.length);
    for (let block = 0; block < scales.length; block++) {
      const [scale, min] = [scales[block]!, mins[block]!];
      const end = (block + 1) * BLOCK_SIZE;
      for (let i = block * BLOCK_SIZE; i < end; i++) values[i] = min + scale * codes[i]!;
    }
    return values;
  };
  return { shape, sourceBits: bits, readFloat32, readGrid };
}
