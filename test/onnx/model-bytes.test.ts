import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { decodeModel } from "../../src/onnx/decode.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import type { Attribute, Model, TensorData } from "../../src/onnx/graph.ts";
import { ProtobufWriter } from "../../src/onnx/protobuf.ts";
import { fixture } from "../support/scratch-folder.ts";
import { SeededRandom } from "../text/seeded-random.ts";

const inline = (type: TensorData["type"], shape: number[], array: ArrayBufferView): TensorData => ({
  type,
  shape,
  data: { kind: "inline", bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) },
});

function modelWith(attributes: Record<string, Attribute>, initializers: [string, TensorData][] = []): Model {
  return {
    producer: "test",
    irVersion: 10,
    opsets: { "": 21, "com.microsoft": 1 },
    graph: {
      name: "g",
      inputs: [
        { name: "x", type: "float32", shape: ["batch_size", 3] },
        { name: "n", type: "int32", shape: [] },
      ],
      outputs: [{ name: "y", type: "float16", shape: [0, ""] }],
      nodes: [
        { name: "a", operator: "Op", domain: "", inputs: ["x", "", "n"], outputs: ["", "y"], attributes },
        { name: "b", operator: "Other", domain: "com.microsoft", inputs: [], outputs: [], attributes: {} },
      ],
      initializers: new Map(initializers),
    },
  };
}

test("every kind of attribute survives a round trip, zeros, empty ones and strange names too", () => {
  const attributes: Record<string, Attribute> = {
    zero: 0,
    negative: -(2 ** 53 - 1),
    float: { float: -0.5 },
    zeroFloat: { float: 0 },
    text: "größer 🙂\ufeff",
    noText: "",
    ints: [-1, 0, 2 ** 40],
    noInts: [],
    floats: { floats: [1.5, -2.5] },
    noFloats: { floats: [] },
    tensor: { tensor: inline("int64", [2], BigInt64Array.of(-1n, 2n ** 63n - 1n)) },
    elsewhere: {
      tensor: {
        type: "uint8",
        shape: [5],
        data: { kind: "external", location: "d", offset: 64, length: 5 },
      },
    },
    ["__proto__"]: 7,
    constructor: [1],
  };
  const model = modelWith(attributes);
  assert.deepEqual(decodeModel(encodeModel(model)), model);
});

test("initialisers survive a round trip, inline and external, of every type and rank", () => {
  const model = modelWith({}, [
    ["f", inline("float32", [2], Float32Array.of(Number.NaN, -0))],
    ["scalar", inline("int32", [], Int32Array.of(-7))],
    ["empty", inline("float32", [0, 4], new Float32Array())],
    ["h", inline("float16", [1], Uint16Array.of(0x3c00))],
    ["b", inline("bool", [3], Uint8Array.of(1, 0, 1))],
    ["i8", inline("int8", [1, 1, 2], Int8Array.of(-1, 1))],
    [
      "far",
      {
        type: "int64",
        shape: [2 ** 20, 8],
        data: { kind: "external", location: "x_data", offset: 2 ** 40, length: 2 ** 26 },
      },
    ],
  ]);
  assert.deepEqual(decodeModel(encodeModel(model)), model);
});

test("an attribute that is neither whole nor a float is refused by name", () => {
  for (const bad of [1.5, Number.NaN, 2 ** 60]) {
    for (const attribute of [bad, [1, bad]]) {
      assert.throws(
        () => encodeModel(modelWith({ epsilon: attribute })),
        (error) => error instanceof MagdiError && /attribute epsilon.*\{ float: /.test(error.message),
      );
    }
  }
});

test("a model of the onnx package is read, typed data fields and packed runs included", () => {
  const { graph, producer, irVersion, opsets } = decodeModel(
    new Uint8Array(readFileSync(fixture("onnx/python-onnx.onnx"))),
  );
  assert.equal(producer, "python-onnx");
  assert.equal(irVersion, 10);
  assert.deepEqual(opsets, { "": 21, "com.example": 3 });
  assert.equal(graph.name, "python");
  assert.deepEqual(graph.inputs, [{ name: "x", type: "float32", shape: ["batch", 2] }]);
  assert.deepEqual(graph.outputs, [{ name: "z", type: "int64", shape: [] }]);

  const tensor = (name: string) => graph.initializers.get(name)!;
  const bytes = (name: string) => {
    const { data } = tensor(name);
    assert.ok(data.kind === "inline", name);
    return new Uint8Array(data.bytes).buffer;
  };
  assert.deepEqual([...new Float32Array(bytes("floats"))], [1.5, -2, 0, 3.25]);
  assert.deepEqual(tensor("floats").shape, [2, 2]);
  assert.deepEqual([...new BigInt64Array(bytes("longs"))], [-1n, 2n ** 63n - 1n, -(2n ** 63n), 300n]);
  assert.deepEqual([...new Int32Array(bytes("ints"))], [-5, 2 ** 31 - 1]);
  assert.deepEqual([...new Int8Array(bytes("bytes"))], [-128, -1, 127]);
  assert.deepEqual([...new Uint8Array(bytes("codes"))], [0, 255]);
  assert.deepEqual([...new Uint8Array(bytes("flags"))], [1, 0]);
  assert.deepEqual([...new Uint16Array(bytes("halves"))], [0x3e00, 0xb400, 0x7bff]);
  assert.deepEqual([...new BigInt64Array(bytes("scalar"))], [7n]);
  assert.deepEqual(tensor("scalar").shape, []);
  assert.equal(bytes("empty").byteLength, 0);
  assert.deepEqual([...new Float32Array(bytes("many"))], [...Array(160).keys()]);
  assert.deepEqual(tensor("beside"), {
    type: "float32",
    shape: [2, 3],
    data: { kind: "external", location: "beside.bin", offset: 128, length: 24 },
  });

  const [gemm, constant, reshape, anything] = graph.nodes;
  assert.deepEqual(gemm?.attributes, { alpha: { float: 0.5 }, transB: 0 });
  assert.deepEqual(constant?.attributes, { value: { tensor: inline("float32", [1], Float32Array.of(2)) } });
  assert.deepEqual(reshape?.inputs, ["y", "longs"]);
  assert.deepEqual(anything, {
    name: "",
    operator: "Anything",
    domain: "com.example",
    inputs: ["r", "", "c"],
    outputs: ["z"],
    attributes: { text: "größer", axes: [-1, 0, 2 ** 40], weights: { floats: [0.5, -1] }, mode: "" },
  });
});

/** A model whose graph holds one tensor, written field by field. */
function withTensor(write: (tensor: ProtobufWriter) => void): Uint8Array {
  const out = new ProtobufWriter();
  out.message(7, (graph) => graph.message(5, write));
  return out.finish();
}

test("what is not read is refused, not dropped", () => {
  const inGraph = (write: (graph: ProtobufWriter) => void): Uint8Array => {
    const out = new ProtobufWriter();
    out.message(7, write);
    return out.finish();
  };
  const attribute = (write: (attribute: ProtobufWriter) => void): Uint8Array =>
    inGraph((graph) => graph.message(1, (node) => node.message(5, write)));
  const cases: [string, Uint8Array, RegExp][] = [
    ["MAGDI_BAD_GRAPH", new Uint8Array(), /no graph/],
    ["MAGDI_UNSUPPORTED", withTensor((tensor) => tensor.int(2, 12)), /data type 12, not one of float32/],
    ["MAGDI_BAD_GRAPH", withTensor((tensor) => tensor.string(8, "w")), /tensor w has no data type/],
    [
      "MAGDI_UNSUPPORTED",
      attribute((a) => {
        a.string(1, "body");
        a.bytes(6, new Uint8Array());
        a.int(20, 5);
      }),
      /attribute body of type 5/,
    ],
    ["MAGDI_BAD_GRAPH", attribute((a) => a.int(20, 4)), /should hold a tensor/],
    [
      "MAGDI_UNSUPPORTED",
      attribute((a) => {
        a.int(3, 2n ** 63n - 1n);
        a.int(20, 2);
      }),
      /the number 9223372036854775807, beyond 2\^53/,
    ],
    ["MAGDI_UNSUPPORTED", inGraph((graph) => graph.message(15, () => {})), /sparse/],
    ["MAGDI_UNSUPPORTED", inGraph((graph) => graph.message(11, (x) => x.string(1, "x"))), /output x/],
    ["MAGDI_BAD_GRAPH", inGraph((graph) => graph.bytes(2, Uint8Array.of(0xff))), /not UTF-8/],
  ];
  const functions = new ProtobufWriter();
  functions.message(7, () => {});
  functions.message(25, () => {});
  cases.push(["MAGDI_UNSUPPORTED", functions.finish(), /functions/]);
  for (const [code, bytes, pattern] of cases) {
    assert.throws(
      () => decodeModel(bytes),
      (error) => {
        assert.ok(error instanceof MagdiError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, pattern);
        return true;
      },
    );
  }
});

test("tensors whose bytes, shape or place contradict each other are refused", () => {
  const long = withTensor((tensor) => {
    tensor.int(1, 3);
    tensor.int(2, 7);
    tensor.float(4, 1.5); // floats where int64 values belong
  });
  const negative = withTensor((tensor) => {
    tensor.int(1, -1);
    tensor.int(1, -4);
    tensor.int(2, 2);
    tensor.bytes(9, new Uint8Array(4));
  });
  const endless = withTensor((tensor) => {
    for (let i = 0; i < 5; i++) tensor.int(1, 2 ** 31);
    tensor.int(2, 1);
  });
  const external = (entries: Record<string, string>) =>
    withTensor((tensor) => {
      tensor.int(1, 4);
      tensor.int(2, 1);
      for (const [key, value] of Object.entries(entries)) {
        tensor.message(13, (entry) => {
          entry.string(1, key);
          entry.string(2, value);
        });
      }
    });
  const lying = [
    { location: "d", length: "15" },
    { location: "d", offset: "-8" },
    { location: "d", offset: "many" },
    { offset: "8" },
  ].map(external);
  for (const bytes of [long, negative, endless, ...lying]) {
    assert.throws(
      () => decodeModel(bytes),
      (error) =>
        error instanceof MagdiError && error.code === "MAGDI_BAD_GRAPH" && /tensor/.test(error.message),
    );
  }
  assert.doesNotThrow(() => decodeModel(external({ location: "d", offset: "8", length: "16" })));
});

test("a run of a million packed numbers is read", () => {
  const bytes = withTensor((tensor) => {
    tensor.int(1, 1_000_000);
    tensor.int(2, 1);
    tensor.bytes(4, new Uint8Array(4_000_000));
  });
  assert.doesNotThrow(() => decodeModel(bytes));
});

test("truncated and damaged bytes give a model or one of our errors", () => {
  const bytes = new Uint8Array(readFileSync(fixture("onnx/python-onnx.onnx")));
  const random = new SeededRandom(11);
  let read = 0;
  const attempt = (damaged: Uint8Array): void => {
    try {
      decodeModel(damaged);
      read++;
    } catch (error) {
      assert.ok(error instanceof MagdiError, error instanceof Error ? error.stack : String(error));
      assert.match(error.code, /^MAGDI_(BAD_GRAPH|UNSUPPORTED)$/);
    }
  };
  for (let length = 0; length < bytes.length; length++) attempt(bytes.subarray(0, length));
  for (let round = 0; round < 4000; round++) {
    const damaged = new Uint8Array(bytes);
    for (let count = 1 + random.below(3); count > 0; count--) {
      const value = random.pick([random.below(256), 0, 0x7f, 0x80, 0xff, 0x0a]);
      const at = random.below(bytes.length);
      damaged.fill(value, at, at + (random.below(5) === 0 ? 10 : 1));
    }
    const from = random.below(bytes.length);
    attempt(
      random.below(4) > 0 ? damaged : Buffer.concat([damaged.subarray(0, from), damaged.subarray(from + 1)]),
    );
  }
  assert.ok(read > 500 && read < 4000, `${read} could be read`);
});
