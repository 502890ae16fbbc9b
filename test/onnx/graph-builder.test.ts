import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import type { TensorData } from "../../src/onnx/graph.ts";
import { GraphBuilder } from "../../src/onnx/graph-builder.ts";
import * as op from "../../src/onnx/operators.ts";

const clash = (name: string) => (error: unknown) =>
  error instanceof MagdiError && error.code === "MAGDI_BAD_GRAPH" && error.message.includes(`name ${name} `);

const tensor = (...bytes: number[]): TensorData => ({
  type: "uint8",
  shape: [bytes.length],
  data: { kind: "inline", bytes: Uint8Array.from(bytes) },
});

test("nodes and values of one kind get names of their own, with the scope in front", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", [2]);
  const first = op.add(g, x, x);
  const second = g.scoped("layers.0", () => g.scoped("mlp", () => op.add(g, x, first)));
  const third = op.add(g, x, second);
  assert.deepEqual([first, second, third], ["Add.out", "layers.0.mlp.Add.out", "Add_2.out"]);
  assert.throws(
    () =>
      g.scoped("broken", () => {
        throw new Error("inside");
      }),
    /inside/,
  );
  assert.equal(op.add(g, x, x), "Add_3.out");
  const names = g.build("test").graph.nodes.map(({ name }) => name);
  assert.deepEqual(names, ["Add", "layers.0.mlp.Add", "Add_2", "Add_3"]);
});

test("a fresh name avoids one that was given, and a promised name is given once", () => {
  const g = new GraphBuilder();
  g.input("Add.out", "float32", []);
  assert.equal(op.add(g, "Add.out", "Add.out"), "Add.out_2");
  const [a, b] = [g.name("part"), g.name("part")];
  assert.notEqual(a, b);
  g.node("Split", ["Add.out"], { outputs: [a, "", b] });
  assert.throws(() => g.node("Split", ["Add.out"], { outputs: [a] }), clash(a));
});

test("one name for two values is refused", () => {
  const g = new GraphBuilder();
  g.input("x", "float32", []);
  assert.throws(() => g.input("x", "float32", []), clash("x"));
  assert.throws(() => g.initializer("x", tensor(1)), clash("x"));
  assert.throws(() => g.node("Identity", [], { outputs: ["x"] }), clash("x"));
  g.initializer("w", tensor(1, 2));
  assert.equal(g.initializer("w", tensor(1, 2)), "w");
  assert.throws(() => g.initializer("w", tensor(1, 3)), clash("w"));
  assert.throws(() => g.input("w", "uint8", [2]), clash("w"));
});

test("an initialiser whose bytes do not fit its shape is refused", () => {
  const g = new GraphBuilder();
  assert.throws(
    () => g.initializer("w", { ...tensor(1, 2, 3), type: "float32" }),
    (error) =>
      error instanceof MagdiError && /initialiser w: float32 \[3\] does not take 3 bytes/.test(error.message),
  );
});

test("constants are stored once, and 0 is not -0", () => {
  const g = new GraphBuilder();
  assert.equal(g.ints([1, -2]), g.ints([1, -2]));
  assert.notEqual(g.ints([1]), g.ints(1));
  assert.equal(g.float(0.1), g.float(0.1));
  assert.notEqual(g.float(0), g.float(-0));
  assert.equal(g.build("test").graph.initializers.size, 6);
});

test("a node without outputs has no value", () => {
  const g = new GraphBuilder();
  assert.throws(() => g.value("Identity", [], { outputs: [] }), /Identity has no output/);
});

test("what no output needs is dropped, and what remains keeps its place for later questions", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", [2, 3]);
  const first = g.value("Neg", [x]);
  g.value("Exp", [first]);
  const normed = g.value("SimplifiedLayerNormalization", [first, "w"]);
  const unused = g.value("Neg", [normed]);
  g.value("Tanh", [unused]);
  const last = g.value("Sqrt", [normed]);
  g.output(last, "float32", [2, 3]);
  g.pruneUnused();
  assert.deepEqual(
    g.nodes.map(({ operator }) => operator),
    ["Neg", "SimplifiedLayerNormalization", "Sqrt"],
  );
  assert.equal(g.producerOf(unused), null);
  assert.equal(g.producerOf(last)?.operator, "Sqrt");
  const deviation = g.optionalOutput(normed, 1, "deviation");
  assert.equal(g.producerOf(deviation)?.operator, "SimplifiedLayerNormalization");
  g.prune(1, [normed]);
  assert.deepEqual(
    g.nodes.map(({ operator }) => operator),
    ["Neg", "SimplifiedLayerNormalization"],
  );
});
