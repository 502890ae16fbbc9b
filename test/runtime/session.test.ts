import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { MagdiError } from "../../src/base/errors.ts";
import { encodeModel } from "../../src/onnx/encode.ts";
import type { Model } from "../../src/onnx/graph.ts";
import { GraphBuilder } from "../../src/onnx/graph-builder.ts";
import type { Operator } from "../../src/onnx/operator-names.ts";
import * as op from "../../src/onnx/operators.ts";
import { OrtTensor } from "../../src/runtime/ort-tensor.ts";
import { Binding, Session } from "../../src/runtime/session.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();

const runtimeError = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MagdiError, String(error));
  assert.equal(error.code, "MAGDI_RUNTIME");
  assert.match(error.message, pattern);
  return true;
};

/** y = (a + b) + w over float32 [n], [m], [2]; w in memory or in a file beside the graph. */
function sums(location: string | null): Model {
  const g = new GraphBuilder();
  const bytes = new Uint8Array(Float32Array.of(10, 20).buffer);
  const inline = { kind: "inline", bytes } as const;
  const data = location === null ? inline : ({ kind: "external", location, offset: 64, length: 8 } as const);
  const w = g.initializer("w", { type: "float32", shape: [2], data });
  const a = g.input("a", "float32", ["n"]);
  const b = g.input("b", "float32", ["m"]);
  const sum = g.scoped("layers.3", () => op.add(g, a, b));
  g.node("Add", [sum, w], { outputs: ["y"] });
  g.output("y", "float32", ["k"]);
  return g.build("sums");
}

const open = (model: Model, label = "sums") => Session.open(encodeModel(model), { label, threads: 1 });
const floats = (...values: number[]) => {
  const tensor = OrtTensor.zeros("float32", [values.length]);
  tensor.data.set(values);
  return tensor;
};

test("a graph in memory runs over our own arrays, in place, again and again", async () => {
  const session = await open(sums(null));
  assert.deepEqual(session.inputNames, ["a", "b"]);
  assert.deepEqual(session.outputNames, ["y"]);
  const [a, b, y] = [floats(1, 2), floats(3, 4), floats(0, 0)];
  const binding = new Binding({ a, b }, { y });
  await session.run(binding);
  assert.deepEqual([...y.data], [14, 26]);
  a.data.set([100, 200]);
  await session.run(binding);
  assert.deepEqual([...y.data], [113, 224]);
  // An output over the middle of a larger array leaves the rest of it alone.
  const whole = new Float32Array(new ArrayBuffer(16)).fill(-1);
  const part = new OrtTensor("float32", [2], whole.subarray(1, 3));
  await session.run(new Binding({ a, b }, { y: part }));
  assert.deepEqual([...whole], [-1, 113, 224, -1]);
  session.close();
  session.close();
  await assert.rejects(session.run(binding), runtimeError(/session sums is closed/));
});

test("a graph file finds its data file beside it", async () => {
  const file = path.join(folder, "sums.onnx");
  const weights = new Uint8Array(128);
  new Float32Array(weights.buffer).set([7, 8], 16);
  writeFileSync(path.join(folder, "sums.onnx_data"), weights);
  writeFileSync(file, encodeModel(sums("sums.onnx_data")));
  const session = await Session.open(file, { label: "file" });
  const y = floats(0, 0);
  await session.run(new Binding({ a: floats(1, 1), b: floats(0, 1) }, { y }));
  assert.deepEqual([...y.data], [8, 10]);
  session.close();
});

test("what cannot be opened is one error with the session's label and the reason", async () => {
  const missing = path.join(folder, "missing.onnx");
  await assert.rejects(
    Session.open(missing, { label: "student/q4" }),
    runtimeError(/^session student\/q4: .*missing\.onnx/),
  );
  const file = path.join(folder, "no-data.onnx");
  writeFileSync(file, encodeModel(sums("nowhere_data")));
  await assert.rejects(
    Session.open(file, { label: "no data" }),
    runtimeError(/^session no data: .*nowhere_data/),
  );
  for (const bytes of [new Uint8Array(), Uint8Array.of(1, 2, 3), encodeModel(sums(null)).subarray(0, 100)]) {
    await assert.rejects(Session.open(bytes, { label: "junk" }), runtimeError(/^session junk: /));
  }
  const g = new GraphBuilder();
  const unknown = "NoSuchOperator" as Operator; // which only the runtime is to find out
  g.node(unknown, [g.input("x", "float32", [1])], { outputs: ["y"] });
  g.output("y", "float32", [1]);
  await assert.rejects(
    open(g.build("unknown"), "unknown"),
    runtimeError(/^session unknown: .*NoSuchOperator/s),
  );
});

test("a failing run names session, operator and node, and the session goes on", async () => {
  const session = await open(sums(null), "student/engine_q4.onnx");
  const y = floats(0, 0);
  const bad = new Binding({ a: floats(1, 2), b: floats(1, 2, 3) }, { y });
  await assert.rejects(
    session.run(bad),
    runtimeError(/^session student\/engine_q4\.onnx: operator Add, node layers\.3\.Add: .*2 by 3/),
  );
  const unknown = new Binding({ a: floats(1, 2), c: floats(1, 2) }, { y });
  await assert.rejects(session.run(unknown), runtimeError(/^session student\/engine_q4\.onnx: .*c/));
  await assert.rejects(session.run(new Binding({ a: floats(1, 2) }, { y })), runtimeError(/b/));
  const integer = OrtTensor.zeros("int64", [2]);
  await assert.rejects(
    session.run(new Binding({ a: floats(1, 2), b: integer }, { y })),
    runtimeError(/int64/),
  );
  const short = new Binding({ a: floats(1, 2), b: floats(1, 2) }, { y: floats(0, 0, 0) });
  await assert.rejects(session.run(short), runtimeError(/session student/));
  await session.run(new Binding({ a: floats(1, 2), b: floats(1, 2) }, { y }));
  assert.deepEqual([...y.data], [12, 24]);
  session.close();
});

test("thousands of failing runs and a collected heap leave no memory behind, print nothing and break nothing", {
  skip: process.platform === "linux" ? false : "glibc's count of allocated memory is read",
}, async () => {
  const script = path.join(import.meta.dirname, "failing-runs.ts");
  const args = ["--expose-gc", "--import", "tsx", script];
  // One heap for all threads: glibc counts the first.
  const env = { ...process.env, MALLOC_ARENA_MAX: "1" };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { env });
  const { failures, grownBytes } = JSON.parse(stdout);
  assert.equal(failures, 4000);
  // Each status has a message of over 4 kB, twice: kept, they would be 33 MB.
  assert.ok(grownBytes < 12_000_000, `grew by ${grownBytes} bytes`);
  assert.equal(stderr, "");
});

/** x [n, n] → x·x·x·x·x, work enough to be seen from outside. */
async function slowRun(): Promise<{ session: Session; binding: Binding; tensors: OrtTensor[] }> {
  const g = new GraphBuilder();
  let y = g.input("x", "float32", ["n", "n"]);
  for (let i = 0; i < 4; i++) y = g.value("MatMul", [y, "x"]);
  g.node("Identity", [y], { outputs: ["y"] });
  g.output("y", "float32", ["n", "n"]);
  const session = await open(g.build("slow"), "slow");
  const tensors = [OrtTensor.zeros("float32", [600, 600]), OrtTensor.zeros("float32", [600, 600])] as const;
  const binding = new Binding({ x: tensors[0] }, { y: tensors[1] });
  return { session, binding, tensors: [...tensors] };
}

test("the event loop turns while a run is in flight", async () => {
  const { session, binding } = await slowRun();
  let turns = 0;
  let running = true;
  const turn = (): void => {
    turns++;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await session.run(binding);
  running = false;
  assert.ok(turns > 10, `${turns} turns`);
  session.close();
});

test("one run at a time, and none is closed under way", async () => {
  const { session, binding } = await slowRun();
  const run = session.run(binding);
  await assert.rejects(session.run(binding), runtimeError(/session slow is already running/));
  assert.throws(() => session.close(), runtimeError(/session slow is running and cannot close/));
  await run;
  await session.run(binding);
  session.close();
});

test("a released tensor is refused, not read", async () => {
  const session = await open(sums(null));
  const [a, b, y] = [floats(1, 2), floats(3, 4), floats(0, 0)];
  const binding = new Binding({ a, b }, { y });
  b.release();
  b.release();
  assert.deepEqual([...b.data], [3, 4]);
  await assert.rejects(session.run(binding), runtimeError(/used after its release/));
  assert.throws(() => new Binding({ a, b }, { y }), runtimeError(/used after its release/));
  await session.run(new Binding({ a, b: floats(5, 6) }, { y }));
  assert.deepEqual([...y.data], [16, 28]);
  session.close();
});

test("tensors of no elements, of no dimensions and of every type pass through", async () => {
  for (const type of ["float32", "uint8", "int8", "int32", "int64", "bool", "float16"] as const) {
    const g = new GraphBuilder();
    g.node("Identity", [g.input("x", type, ["n", 2])], { outputs: ["y"] });
    g.node("Identity", [g.input("scalar", type, [])], { outputs: ["same"] });
    g.output("y", type, ["n", 2]);
    g.output("same", type, []);
    const session = await open(g.build(type), type);
    for (const rows of [0, 3]) {
      const [x, y] = [OrtTensor.zeros(type, [rows, 2]), OrtTensor.zeros(type, [rows, 2])];
      const [scalar, same] = [OrtTensor.zeros(type, []), OrtTensor.zeros(type, [])];
      new Uint8Array(x.data.buffer).fill(1);
      new Uint8Array(scalar.data.buffer).fill(1);
      await session.run(new Binding({ x, scalar }, { y, same }));
      assert.deepEqual(y.data, x.data);
      assert.deepEqual(same.data, scalar.data);
      assert.equal(y.data.length, rows * 2);
    }
    session.close();
  }
});

test("a shape and an array of other lengths are refused before they reach native code", () => {
  const data = new Float32Array(new ArrayBuffer(16));
  assert.throws(
    () => new OrtTensor("float32", [2, 3], data),
    runtimeError(/\[2, 3\] holds 6 values.* array of 4/),
  );
  assert.throws(() => new OrtTensor("float32", [-2, -2], data), runtimeError(/negative/));
});
