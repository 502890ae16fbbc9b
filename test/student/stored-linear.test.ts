// Weights in blocks: what lies in the data files is what the source said, and what products make of it is as close
// as int8 inputs allow.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { embedding, linear } from "../../src/nn/linear.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import { elementsOf, type FloatType, type Graph, type Value } from "../../src/onnx/graph.ts";
import { GraphBuilder } from "../../src/onnx/graph-builder.ts";
import * as op from "../../src/onnx/operators.ts";
import { OrtTensor } from "../../src/runtime/ort-tensor.ts";
import { Binding, Session } from "../../src/runtime/session.ts";
import type { BaseModel } from "../../src/student/base-model.ts";
import type { Dtype } from "../../src/student/dtype.ts";
import { openGgufBase } from "../../src/student/gguf-base.ts";
import {
  type CentredGrid,
  centred,
  centredAt,
  roundToAffine4,
  roundToSymmetric8,
} from "../../src/student/quantise-blocks.ts";
import { loadLinear, storeLinear } from "../../src/student/stored-linear.ts";
import { WeightFiles } from "../../src/student/weight-files.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import type { BlockGrid } from "../../src/tensor/ggml-blocks.ts";
import { decodeFloat16 } from "../../src/tensor/half.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { importTiny, tinyStudent } from "../support/tiny-students.ts";
import { SeededRandom } from "../text/seeded-random.ts";

const folder = scratchFolder();

/** Reads constants out of a graph and its data files, through the nodes that prepare them when it is loaded. */
class Constants {
  readonly #graph: Graph;
  readonly #folder: string;

  constructor(graphPath: string) {
    this.#graph = decodeModel(readFileSync(graphPath)).graph;
    this.#folder = path.dirname(graphPath);
  }

  nodes(operator: string) {
    return this.#graph.nodes.filter((node) => node.operator === operator);
  }

  bytes(name: Value): Uint8Array {
    const { data } = this.#graph.initializers.get(name)!;
    if (data.kind === "inline") return data.bytes;
    const file = readFileSync(path.join(this.#folder, data.location));
    return new Uint8Array(file.subarray(data.offset, data.offset + data.length));
  }

  numbers(name: Value): number[] {
    const tensor = this.#graph.initializers.get(name);
    if (tensor?.type === "float16") return [...decodeFloat16(this.bytes(name))];
    if (tensor?.type === "float32") return [...new Float32Array(new Uint8Array(this.bytes(name)).buffer)];
    const node = this.#graph.nodes.find(({ outputs }) => outputs.includes(name));
    const [a = [], b = []] = node!.inputs.map((input) => this.numbers(input));
    if (node!.operator === "Cast") return a;
    const other = (i: number): number => b[b.length === 1 ? 0 : i]!;
    if (node!.operator === "Add") return a.map((value, i) => value + other(i));
    assert.equal(node!.operator, "Mul");
    return a.map((value, i) => value * other(i));
  }
}

interface StoredMatrix {
  readonly bits: number;
  readonly hasOffsets: boolean;
  /** [N·K] */
  readonly values: number[];
}

/** Every product's weight, by the name of its codes: scale·(code − 2^(bits−1)) + offset. */
function storedMatrices(graphPath: string): Map<string, StoredMatrix> {
  const constants = new Constants(graphPath);
  const matrices = new Map<string, StoredMatrix>();
  for (const product of constants.nodes("MatMulNBits")) {
    const [, codesName = "", scalesName = ""] = product.inputs;
    const bits = Number(product.attributes.bits);
    const packed = constants.bytes(codesName);
    const scales = constants.numbers(scalesName);
    const sum = constants.nodes("Gemm").find(({ inputs }) => inputs[2] === product.outputs[0]);
    const offsets = sum === undefined ? null : constants.numbers(sum.inputs[1]!);
    const values = Array.from({ length: scales.length * 32 }, (_, i) => {
      const code = bits === 8 ? packed[i]! : (packed[i >> 1]! >> (4 * (i & 1))) & 15;
      return scales[i >> 5]! * (code - 2 ** (bits - 1)) + (offsets?.[i >> 5] ?? 0);
    });
    const name = codesName.replace(".weight.codes", "");
    matrices.set(name, { bits, hasOffsets: offsets !== null, values });
  }
  return matrices;
}

/** A scale below zero times the code of zero is -0 in one way of computing it and 0 in the other. */
const withoutNegativeZeros = (values: Iterable<number>): Float32Array =>
  Float32Array.from(values, (value) => value + 0);

const expectations: Record<"q4" | "q8", Record<string, [bits: number, hasOffsets: boolean]>> = {
  q4: {
    "self_attn.q_proj": [4, true], // Q4_K
    "mlp.gate_proj": [4, true], // Q4_1
  },
  q8: {
    "self_attn.q_proj": [8, true],
    "self_attn.k_proj": [8, true], // Q5_K
    "self_attn.o_proj": [8, false], // Q5_0
    "mlp.gate_proj": [8, true],
    "mlp.up_proj": [8, true], // Q5_1
    "mlp.down_proj": [8, false], // Q8_0
  },
};

/** The rows of a module, which may be stored with others. */
function rowsOf(matrices: ReadonlyMap<string, StoredMatrix>, base: BaseModel, module: string): StoredMatrix {
  const parent = module.slice(0, module.lastIndexOf(".") + 1);
  for (const [name, matrix] of matrices) {
    const modules = name.slice(parent.length).split("+");
    const at = modules.indexOf(module.slice(parent.length));
    if (!name.startsWith(parent) || at < 0) continue;
    const sizes = modules.map((one) => elementsOf(base.tensors.get(`${parent}${one}.weight`)!.shape));
    const start = sizes.slice(0, at).reduce((sum, size) => sum + size, 0);
    return { ...matrix, values: matrix.values.slice(start, start + sizes[at]!) };
  }
  throw new Error(`no ${module}`);
}

test("what a GGUF stores in more than 4 bits is rounded to the 4 of q4, as near as these allow, and said", async () => {
  const { source } = tinyStudent("tiny-llama-kquant/model.gguf");
  const out = path.join(folder, "rounded");
  const { notes } = await importStudent({ source, out, dtypes: ["q4"], threads: 1 });
  assert.match(
    String(notes),
    /In q4 0\.\d million weights are rounded to 4 bits .* --dtype auto finds which/,
  );
  const stored = storedMatrices(path.join(out, "onnx", "engine_q4.onnx"));
  const base = openGgufBase(source);
  for (const kind of ["self_attn.k_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"]) {
    const found = rowsOf(stored, base, `model.layers.0.${kind}`);
    assert.deepEqual([found.bits, found.hasOffsets], [4, true], kind);
    const wanted = base.tensors.get(`model.layers.0.${kind}.weight`)!.readFloat32();
    let [error, size] = [0, 0];
    wanted.forEach((value, i) => {
      error += (found.values[i]! - value) ** 2;
      size += value ** 2;
    });
    assert.ok(error > 0 && Math.sqrt(error / size) < 0.1, `${kind}: off by ${Math.sqrt(error / size)}`);
  }
  base.close();
});

for (const dtype of ["q4", "q8"] as const satisfies readonly Dtype[]) {
  test(`a GGUF's own grid is kept exactly in ${dtype}`, async () => {
    const { source } = tinyStudent("tiny-llama-kquant/model.gguf");
    const student = (await importTiny(source, path.join(folder, dtype), [dtype]))[dtype];
    const stored = storedMatrices(student.engineGraph);
    const base = openGgufBase(source);
    for (const [module, [bits, hasOffsets]] of Object.entries(expectations[dtype])) {
      const found = rowsOf(stored, base, `model.layers.0.${module}`);
      assert.deepEqual([found.bits, found.hasOffsets], [bits, hasOffsets], module);
      const wanted = base.tensors.get(`model.layers.0.${module}.weight`)!.readFloat32();
      assert.deepEqual(withoutNegativeZeros(found.values), withoutNegativeZeros(wanted), module);
    }
    // Q4_0 is symmetric: the embedding is looked up and kept exactly too.
    const constants = new Constants(student.engineGraph);
    const [lookUp] = constants.nodes("GatherBlockQuantized");
    const codes = constants.bytes(lookUp!.inputs[0]!);
    const scales = constants.numbers(lookUp!.inputs[2]!);
    const embedded = Float32Array.from(codes, (code, i) => scales[i >> 5]! * (code - 128));
    const wanted = base.tensors.get("model.embed_tokens.weight")!.readFloat32();
    assert.deepEqual(withoutNegativeZeros(embedded), withoutNegativeZeros(wanted));
    base.close();
  });
}

const ROWS = 48;
const COLUMNS = 96;

function randoms(seed: number, length: number, scale: number): Float32Array<ArrayBuffer> {
  const random = new SeededRandom(seed);
  return Float32Array.from({ length }, () => (random.below(20001) / 10000 - 1) * scale);
}

/** A grid of 5 bits with minimums far from its middle. */
function fiveBitGrid(): BlockGrid {
  const random = new SeededRandom(9);
  const blocks = (ROWS * COLUMNS) / 32;
  return {
    bits: 8,
    codes: Uint8Array.from({ length: ROWS * COLUMNS }, () => random.below(32)),
    scales: Float32Array.from({ length: blocks }, () => (1 + random.below(9)) / 256),
    mins: Float32Array.from({ length: blocks }, () => (random.below(200) - 100) / 128),
  };
}

async function openGraph(
  name: string,
  weight: CentredGrid,
  build: (g: GraphBuilder, weight: ReturnType<typeof loadLinear>) => void,
  type: FloatType = "float32",
): Promise<Session> {
  const files = new WeightFiles(folder, `${name}.onnx`, 0);
  const stored = storeLinear(files, [{ blocks: weight, type }], ROWS, COLUMNS);
  files.close();
  const g = new GraphBuilder();
  build(g, loadLinear(g, "w", stored));
  const file = path.join(folder, `${name}.onnx`);
  writeFileSync(file, encodeModel(g.build(name)));
  return Session.open(file, { label: name, threads: 1 });
}

const values = randoms(1, ROWS * COLUMNS, 0.3);
const grids: Record<string, CentredGrid> = {
  "8 bits": centredAt(roundToSymmetric8(values), 8, 128),
  "4 bits with minimums": centredAt(roundToAffine4(values), 4, 8),
  "4 bits with minimums, in 8": centred(roundToAffine4(values), 8),
  "5 bits with minimums, in 8": centred(fiveBitGrid(), 8),
};

const products = Object.entries(grids).flatMap(([name, weight]) =>
  (["float32", "float16"] as const).map((type) => [name, weight, type] as const),
);

for (const [name, weight, type] of products) {
  test(`a product over ${name} is the float product but for its inputs' rounding to int8, in ${type}`, async () => {
    const tokens = 5;
    const build = (g: GraphBuilder, loaded: ReturnType<typeof loadLinear>): void => {
      const group = { rows: [ROWS], weight: loaded, bias: null };
      const x = op.cast(g, g.input("x", "float32", ["t", COLUMNS]), type);
      g.node("Identity", [op.cast(g, linear(g, x, group), "float32")], { outputs: ["y"] });
      g.output("y", "float32", ["t", ROWS]);
    };
    const session = await openGraph(`product-${name}-${type}`, weight, build, type);
    const x = new OrtTensor("float32", [tokens, COLUMNS], randoms(2, tokens * COLUMNS, 3));
    const y = OrtTensor.zeros("float32", [tokens, ROWS]);
    await session.run(new Binding({ x }, { y }));
    session.close();
    const { codes, scales, mins } = weight.grid;
    let largest = 0;
    for (let token = 0; token < tokens; token++) {
      for (let row = 0; row < ROWS; row++) {
        let wanted = 0;
        let bound = 1e-4;
        for (let block = 0; block < COLUMNS / 32; block++) {
          const at = (row * COLUMNS) / 32 + block;
          const inputs = x.data.subarray(token * COLUMNS + block * 32, token * COLUMNS + block * 32 + 32);
          // Half a step of the block's largest input over 127, times what the integers stand for.
          const halfStep = Math.max(...inputs.map(Math.abs)) / 127 / 2;
          inputs.forEach((input, i) => {
            const code = codes[at * 32 + i]!;
            wanted += input * (scales[at]! * code + mins[at]!);
            bound += halfStep * scales[at]! * Math.abs(code - weight.centre);
            // Input, scale, minimum and sums are rounded to eleven bits.
            if (type === "float16")
              bound += 2 ** -9 * Math.abs(input) * (scales[at]! * 16 + Math.abs(mins[at]!));
          });
        }
        const error = Math.abs(y.data[token * ROWS + row]! - wanted);
        assert.ok(error <= bound, `token ${token}, row ${row}: ${error} > ${bound}`);
        largest = Math.max(largest, Math.abs(wanted));
      }
    }
    assert.ok(largest > 3, "the bound is small beside the products");
  });
}

test("rows are looked up exactly", async () => {
  const weight = grids["8 bits"]!;
  const session = await openGraph("rows", weight, (g, loaded) => {
    const rows = embedding(g, g.input("ids", "int64", ["b", "s"]), loaded);
    g.node("Identity", [rows], { outputs: ["y"] });
    g.output("y", "float32", ["t", COLUMNS]);
  });
  const ids = OrtTensor.zeros("int64", [2, 2]);
  ids.data.set([0n, 47n, 13n, 13n]);
  const y = OrtTensor.zeros("float32", [4, COLUMNS]);
  await session.run(new Binding({ ids }, { y }));
  session.close();
  const { codes, scales } = weight.grid;
  const wanted = [...ids.data].flatMap((id) =>
    Array.from({ length: COLUMNS }, (_, column) => {
      const at = Number(id) * COLUMNS + column;
      return scales[at >> 5]! * (codes[at]! - 128);
    }),
  );
  assert.deepEqual(y.data, Float32Array.from(wanted));
});
