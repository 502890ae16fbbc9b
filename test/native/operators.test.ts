// Our operators in ONNX Runtime: the linear layer beside MatMulNBits, attention beside GroupQueryAttention, candidates
// beside a sort, and what they refuse.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { encodeModel } from "../../src/onnx/encode.ts";
import type { Attribute, DataType, Node, TensorData, ValueInfo } from "../../src/onnx/graph.ts";
import { NativeNames, OrtLibrary } from "../../src/runtime/ort-library.ts";
import { OrtTensor } from "../../src/runtime/ort-tensor.ts";
import { centred, packCodes, roundToAffine4, roundToSymmetric8 } from "../../src/student/quantise-blocks.ts";
import { encodeFloat16 } from "../../src/tensor/half.ts";
import { ROOT } from "../support/native-tools.ts";

const LIBRARY = path.join(
  ROOT,
  `native/bin/${process.platform}-${process.arch}`,
  process.platform === "win32"
    ? "magdi-kernels.dll"
    : `libmagdi-kernels.${process.platform === "darwin" ? "dylib" : "so"}`,
);
const skip = existsSync(LIBRARY) ? false : `no kernels are built for ${process.platform} on ${process.arch}`;

let seed = 12345;
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return seed / 2 ** 31 - 1;
}
const randoms = (count: number, factor = 1) => Float32Array.from({ length: count }, () => random() * factor);

const constant = (type: DataType, shape: readonly number[], data: ArrayBufferView): TensorData => ({
  type,
  shape,
  data: { kind: "inline", bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() },
});

function node(
  operator: string,
  domain: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Record<string, Attribute>,
): Node {
  return { name: operator, operator, domain, inputs, outputs, attributes };
}

/** Runs a graph of `nodes` once, with our operators registered. */
function runGraph(
  nodes: readonly Node[],
  initializers: Readonly<Record<string, TensorData>>,
  inputs: Readonly<Record<string, OrtTensor>>,
  outputs: Readonly<Record<string, OrtTensor>>,
): void {
  const declared = (tensors: Readonly<Record<string, OrtTensor>>): ValueInfo[] =>
    Object.entries(tensors).map(([name, { type, shape }]) => ({ name, type, shape }));
  const graph = {
    name: "kernels",
    inputs: declared(inputs),
    outputs: declared(outputs),
    nodes,
    initializers: new Map(Object.entries(initializers)),
  };
  const opsets = { "": 21, "com.microsoft": 1, magdi: 1 };
  const bytes = encodeModel({ graph, producer: "test", irVersion: 10, opsets });
  const library = OrtLibrary.load();
  const settings = library.create("CreateSessionOptions");
  library.call("SetIntraOpNumThreads", settings, 2);
  library.call("RegisterCustomOpsLibrary_V2", settings, LIBRARY);
  try {
    const session = library.create("CreateSessionFromArray", library.env, bytes, bytes.length, settings);
    const named = (tensors: Readonly<Record<string, OrtTensor>>) => ({
      names: new NativeNames(Object.keys(tensors)),
      handles: BigUint64Array.from(Object.values(tensors), ({ handle }) => handle),
    });
    const [from, to] = [named(inputs), named(outputs)];
    try {
      library.call(
        "Run",
        session,
        null,
        from.names.addresses,
        from.handles,
        from.names.count,
        to.names.addresses,
        to.names.count,
        to.handles,
      );
    } finally {
      library.release("ReleaseSession", session);
    }
  } finally {
    library.release("ReleaseSessionOptions", settings);
  }
}

function tensor(values: Float32Array, shape: readonly number[]): OrtTensor<"float32"> {
  const made = OrtTensor.zeros("float32", shape);
  made.data.set(values);
  return made;
}

function lengths(...values: readonly number[]): OrtTensor<"int32"> {
  const made = OrtTensor.zeros("int32", [values.length]);
  made.data.set(values);
  return made;
}

const largest = (values: ArrayLike<number>) =>
  Array.from(values).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  return largest(Array.from(a, (x, i) => x - (b[i] ?? Number.NaN)));
}

const [COLUMNS, OUTPUTS] = [192, 40];

test("a linear layer is as near to the exact product as MatMulNBits on its own rounding of activations", {
  skip,
}, () => {
  for (const bits of [4, 8] as const) {
    const weights = randoms(OUTPUTS * COLUMNS, 0.1);
    const grid = bits === 4 ? roundToAffine4(weights) : roundToSymmetric8(weights);
    const blocks = COLUMNS / 32;
    const codes = constant("uint8", [OUTPUTS, blocks, bits * 4], packCodes(centred(grid, bits)));
    const scales = constant("float16", [OUTPUTS, blocks], encodeFloat16(grid.scales));
    const mins = constant("float32", [OUTPUTS, blocks], grid.mins);
    for (const rows of [1, 5, 140]) {
      const x = randoms(rows * COLUMNS);
      const y = OrtTensor.zeros("float32", [rows, OUTPUTS]);
      const names = ["x", "", "", "", "codes", "scales", ...(bits === 4 ? ["mins"] : [])];
      const linear = node("Linear", "magdi", names, ["y"], { centres: [128] });
      const constants = bits === 4 ? { codes, scales, mins } : { codes, scales };
      runGraph([linear], constants, { x: tensor(x, [rows, COLUMNS]) }, { y });
      const exact = new Float64Array(rows * OUTPUTS);
      for (let row = 0; row < rows; row++) {
        for (let output = 0; output < OUTPUTS; output++) {
          for (let k = 0; k < COLUMNS; k++) {
            const block = (output * COLUMNS + k) >> 5;
            const weight = grid.scales[block]! * grid.codes[output * COLUMNS + k]! + grid.mins[block]!;
            exact[row * OUTPUTS + output]! += weight * x[row * COLUMNS + k]!;
          }
        }
      }
      const error = distance(y.data, exact) / largest(exact);
      assert.ok(error < 0.02, `${bits} bits, ${rows} rows: off by ${error}`);
      if (bits === 8) {
        const stock = OrtTensor.zeros("float32", [rows, OUTPUTS]);
        const product = node("MatMulNBits", "com.microsoft", ["x", "codes", "scales"], ["y"], {
          K: COLUMNS,
          N: OUTPUTS,
          bits,
          block_size: 32,
          accuracy_level: 4,
        });
        const flat = constant("float32", [OUTPUTS * blocks], grid.scales);
        runGraph([product], { codes, scales: flat }, { x: tensor(x, [rows, COLUMNS]) }, { y: stock });
        const theirs = distance(stock.data, exact) / largest(exact);
        assert.ok(error < 1.5 * theirs + 1e-4, `${rows} rows: off by ${error}, MatMulNBits by ${theirs}`);
      }
    }
  }
});

test("norm, residual, bias and SwiGLU over three sources, a row alone as among others", { skip }, () => {
  const [rows, blocks] = [9, COLUMNS / 32];
  const constants: Record<string, TensorData> = {
    norm: constant(
      "float32",
      [COLUMNS],
      randoms(COLUMNS).map((v) => 1 + v / 4),
    ),
    bias: constant("float32", [3 * OUTPUTS], randoms(3 * OUTPUTS)),
  };
  const names: string[] = [];
  const exactWeights: number[] = [];
  for (const [source, bits] of ([8, 4, 8] as const).entries()) {
    const weights = randoms(OUTPUTS * COLUMNS, 0.1);
    const grid = bits === 4 ? roundToAffine4(weights) : roundToSymmetric8(weights);
    constants[`codes${source}`] = constant(
      "uint8",
      [OUTPUTS, blocks, bits * 4],
      packCodes(centred(grid, bits)),
    );
    constants[`scales${source}`] = constant("float32", [OUTPUTS, blocks], grid.scales);
    if (bits === 4) constants[`mins${source}`] = constant("float32", [OUTPUTS, blocks], grid.mins);
    names.push(`codes${source}`, `scales${source}`, bits === 4 ? `mins${source}` : "");
    grid.codes.forEach((code, i) => {
      exactWeights.push(grid.scales[i >> 5]! * code + grid.mins[i >> 5]!);
    });
  }
  if (names.at(-1) === "") names.pop();
  const width = (3 * OUTPUTS) / 2;
  const [x, residual] = [randoms(rows * COLUMNS), randoms(rows * width)];
  const linear = node("Linear", "magdi", ["x", "norm", "residual", "bias", ...names], ["y"], {
    epsilon: { float: 1e-5 },
    swiglu: 1,
    centres: [128, 0, 128],
  });
  const run = (from: number, count: number) => {
    const y = OrtTensor.zeros("float32", [count, width]);
    const part = (values: Float32Array, columns: number) =>
      tensor(values.subarray(from * columns, (from + count) * columns), [count, columns]);
    runGraph([linear], constants, { x: part(x, COLUMNS), residual: part(residual, width) }, { y });
    return y.data;
  };
  const all = run(0, rows);
  assert.deepEqual(run(4, 1), all.slice(4 * width, 5 * width));
  const floats = (name: string) =>
    new Float32Array((constants[name]!.data as { bytes: Uint8Array<ArrayBuffer> }).bytes.buffer);
  const [norm, bias] = [floats("norm"), floats("bias")];
  const exact = Float64Array.from({ length: rows * width }, (_, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    const own = x.subarray(row * COLUMNS, (row + 1) * COLUMNS);
    const factor = 1 / Math.sqrt(own.reduce((sum, v) => sum + v * v, 0) / COLUMNS + 1e-5);
    const product = (output: number) =>
      own.reduce(
        (sum, v, k) => sum + v * factor * norm[k]! * exactWeights[output * COLUMNS + k]!,
        bias[output]!,
      );
    const [gate, up] = [product(column), product(column + width)];
    return (gate / (1 + Math.exp(-gate))) * up + residual[at]!;
  });
  assert.ok(distance(all, exact) / largest(exact) < 0.02);
});

const [HEADS, KV_HEADS, SIZE, CAPACITY] = [6, 2, 32, 64];
const WIDTH = (HEADS + 2 * KV_HEADS) * SIZE;

function angles(): Record<string, TensorData> {
  const table = (f: (angle: number) => number) =>
    constant(
      "float32",
      [CAPACITY, SIZE / 2],
      Float32Array.from({ length: (CAPACITY * SIZE) / 2 }, (_, i) =>
        f(Math.floor(i / (SIZE / 2)) * 10000 ** ((-2 * (i % (SIZE / 2))) / SIZE)),
      ),
    );
  return { cosine: table(Math.cos), sine: table(Math.sin) };
}

/** Our attention over the steps of one row, in calls of so many positions, on one cache in place. */
function attend(
  qkv: Float32Array,
  calls: readonly number[],
  window: number,
  type: "float32" | "float16",
): Float32Array {
  const shape = [1, KV_HEADS, CAPACITY, SIZE];
  const [key, value] = [OrtTensor.zeros(type, shape), OrtTensor.zeros(type, shape)];
  const attributes = { heads: HEADS, kv_heads: KV_HEADS, head_size: SIZE, window };
  const inputs = ["qkv", "past_key", "past_value", "lengths", "cosine", "sine"];
  const attention = node("Attention", "magdi", inputs, ["out", "key", "value"], attributes);
  const found: number[] = [];
  let past = 0;
  for (const steps of calls) {
    const out = OrtTensor.zeros("float32", [1, steps, HEADS * SIZE]);
    const own = tensor(qkv.subarray(past * WIDTH, (past + steps) * WIDTH), [1, steps, WIDTH]);
    past += steps;
    runGraph(
      [attention],
      angles(),
      { qkv: own, past_key: key, past_value: value, lengths: lengths(past - 1) },
      { out, key, value },
    );
    found.push(...out.data);
  }
  return Float32Array.from(found);
}

test("attention is GroupQueryAttention's, with and without a window, whole and in parts", { skip }, () => {
  const steps = 40;
  const qkv = randoms(steps * WIDTH, 2);
  for (const window of [0, 9]) {
    const present = [1, KV_HEADS, steps, SIZE];
    const stock = OrtTensor.zeros("float32", [1, steps, HEADS * SIZE]);
    const total = OrtTensor.zeros("int32", []);
    total.data.set([steps]);
    const empty = [1, KV_HEADS, 0, SIZE];
    const inputs = ["qkv", "", "", "past_key", "past_value", "lengths", "total", "cosine", "sine"];
    const theirs = node("GroupQueryAttention", "com.microsoft", inputs, ["out", "key", "value"], {
      num_heads: HEADS,
      kv_num_heads: KV_HEADS,
      do_rotary: 1,
      local_window_size: window === 0 ? -1 : window,
    });
    runGraph(
      [theirs],
      angles(),
      {
        qkv: tensor(qkv, [1, steps, WIDTH]),
        past_key: OrtTensor.zeros("float32", empty),
        past_value: OrtTensor.zeros("float32", empty),
        lengths: lengths(steps - 1),
        total,
      },
      { out: stock, key: OrtTensor.zeros("float32", present), value: OrtTensor.zeros("float32", present) },
    );
    const whole = attend(qkv, [40], window, "float32");
    assert.ok(distance(whole, stock.data) < 5e-6, `window ${window}`);
    assert.deepEqual(attend(qkv, [13, 27], window, "float32"), whole);
    assert.deepEqual(attend(qkv, Array<number>(40).fill(1), window, "float32"), whole);
    const halves = attend(qkv, [40], window, "float16");
    assert.ok(distance(halves, stock.data) < 1e-2);
    assert.deepEqual(attend(qkv, [1, 30, 9], window, "float16"), halves);
  }
});

test("candidates are a sort's, ties by the lower index", { skip }, () => {
  const logits = randoms(2 * 1000).map((v) => Math.round(v * 300) / 40);
  const [batch, count] = [2, 64];
  const outputs = {
    best: OrtTensor.zeros("float32", [batch, count]),
    ids: OrtTensor.zeros("int64", [batch, count]),
    sums: OrtTensor.zeros("float32", [batch]),
  };
  const candidates = node("Candidates", "magdi", ["logits"], Object.keys(outputs), { count });
  runGraph([candidates], {}, { logits: tensor(logits, [batch, 1000]) }, outputs);
  for (let row = 0; row < batch; row++) {
    const own = logits.subarray(row * 1000, (row + 1) * 1000);
    const order = Array.from(own.keys()).sort((a, b) => own[b]! - own[a]! || a - b);
    const ids = Array.from(outputs.ids.data.subarray(row * count, (row + 1) * count), Number);
    assert.deepEqual(ids, order.slice(0, count));
    assert.deepEqual(
      Array.from(outputs.best.data.subarray(row * count, (row + 1) * count)),
      ids.map((id) => own[id]),
    );
    const exact = Math.log(own.reduce((sum, v) => sum + Math.exp(v), 0));
    assert.ok(Math.abs(outputs.sums.data[row]! - exact) < 1e-5);
  }
});

test("what does not fit is an error of the load or the run, not a write elsewhere", { skip }, () => {
  const linear = (inputs: readonly string[], attributes = {}) =>
    node("Linear", "magdi", inputs, ["y"], attributes);
  const weights = {
    codes: constant("uint8", [16, 2, 16], new Uint8Array(512)),
    scales: constant("float32", [16, 2], new Float32Array(32)),
    short: constant("float32", [16], new Float32Array(16)),
  };
  const load = (made: Node, columns: number) => () =>
    runGraph(
      [made],
      weights,
      { x: tensor(new Float32Array(columns), [1, columns]) },
      { y: OrtTensor.zeros("float32", [1, 16]) },
    );
  assert.throws(
    load(linear(["x", "", "", "", "codes", "short"], { centres: [8] }), 64),
    /expected constant .*\[16, 2\]/,
  );
  assert.throws(load(linear(["x", "", "", "", "codes", "scales"]), 64), /expected attribute centres/);
  assert.throws(
    load(linear(["x", "", "", "", "codes", "scales"], { centres: [8] }), 32),
    /expected x \[\.\.\., 64\]/,
  );
  assert.doesNotThrow(load(linear(["x", "", "", "", "codes", "scales"], { centres: [8] }), 64));
  assert.throws(
    () => attend(randoms(65 * WIDTH), [65], 0, "float32"),
    /row 0 has 65 tokens .* capacity of 64/,
  );
});

test("the environment chooses the instruction set, and one that is not here is an error", {
  skip,
}, async () => {
  const file = path.join(ROOT, "src/runtime/ort-library.ts");
  const program = `
    import koffi from "koffi";
    import { OrtLibrary } from ${JSON.stringify(file)};
    const ort = OrtLibrary.load();
    ort.call("RegisterCustomOpsLibrary_V2", ort.create("CreateSessionOptions"), ${JSON.stringify(LIBRARY)});
    console.log(koffi.load(${JSON.stringify(LIBRARY)}).func("magdi_kernels", "str", [])());
  `;
  const run = (name: string) =>
    promisify(execFile)(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
      cwd: ROOT,
      env: { ...process.env, MAGDI_KERNELS: name },
    });
  assert.equal((await run("plain")).stdout, "plain\n");
  assert.match((await run("")).stdout, /^(avx512vnni|avxvnni|avx2|neon|plain)\n$/);
  await assert.rejects(run("abacus"), /MAGDI_KERNELS: expected an instruction set .* found abacus/);
});
