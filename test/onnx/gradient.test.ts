import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { recomputed } from "../../src/onnx/activation-checkpointing.ts";
import { gradients, stopGradient, withGradient } from "../../src/onnx/gradient.ts";
import type { Value } from "../../src/onnx/graph.ts";
import { GraphBuilder } from "../../src/onnx/graph-builder.ts";
import * as op from "../../src/onnx/operators.ts";
import { assertGradients, Runner } from "./support/derivatives.ts";

const refused =
  (code: string, ...parts: readonly string[]) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof MagdiError, String(error));
    assert.equal(error.code, code);
    for (const part of parts) assert.ok(error.message.includes(part), `${part} in: ${error.message}`);
    return true;
  };

/** The gradients of a loss over scalars, float64. */
async function scalars(
  values: Readonly<Record<string, number>>,
  build: (g: GraphBuilder, inputs: Record<string, Value>) => Value,
  parameters: readonly string[] = Object.keys(values),
): Promise<Record<string, number | undefined>> {
  const g = new GraphBuilder();
  const inputs = Object.fromEntries(Object.keys(values).map((name) => [name, g.input(name, "float64", [])]));
  const found = gradients(g, build(g, inputs), parameters);
  const outputs: Record<string, readonly number[]> = {};
  const names = new Map(
    [...found].map(([parameter, gradient]) => [parameter, g.value("Identity", [gradient])]),
  );
  for (const name of names.values()) outputs[name] = [];
  using runner = await Runner.open(g, outputs);
  const result = await runner.run(
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, { type: "float64", shape: [], values: [value] }]),
    ),
  );
  return Object.fromEntries([...names].map(([parameter, name]) => [parameter, result[name]?.[0]]));
}

test("cotangents of a value that is used in several places add up", async () => {
  // f = x³ + 2x², f′ = 3x² + 4x
  const cubic = (g: GraphBuilder, { x = "" }: Record<string, Value>): Value => {
    const square = op.mul(g, x, x);
    return op.add(g, op.mul(g, square, x), op.add(g, square, square));
  };
  assert.deepEqual(await scalars({ x: 3 }, cubic), { x: 39 });
});

test("a parameter may be the loss itself, and one between others has a gradient of its own", async () => {
  assert.deepEqual(await scalars({ x: 3 }, (_, { x = "" }) => x), { x: 1 });
  let middle = "";
  const build = (g: GraphBuilder, { x = "", y = "" }: Record<string, Value>): Value => {
    middle = op.mul(g, x, y);
    return op.mul(g, middle, middle);
  };
  const g = new GraphBuilder();
  const [x, y] = [g.input("x", "float64", []), g.input("y", "float64", [])];
  const loss = build(g, { x, y });
  const found = gradients(g, loss, [x, middle]);
  const names = [found.get(x) ?? "", found.get(middle) ?? ""] as const;
  using runner = await Runner.open(g, { [names[0]]: [], [names[1]]: [] });
  const scalar = (value: number) => ({ type: "float64", shape: [], values: [value] }) as const;
  const result = await runner.run({ x: scalar(2), y: scalar(5) });
  assert.deepEqual([result[names[0]], result[names[1]]], [[100], [20]]);
});

test("no gradient flows through stopGradient, and the other ways stay", async () => {
  const build = (g: GraphBuilder, { x = "" }: Record<string, Value>): Value =>
    op.mul(g, stopGradient(g, x), x);
  assert.deepEqual(await scalars({ x: 3 }, build), { x: 3 });
  const stopped = (g: GraphBuilder, { x = "", y = "" }: Record<string, Value>): Value =>
    op.mul(g, stopGradient(g, op.exp(g, x)), y);
  assert.deepEqual(await scalars({ x: 0, y: 2 }, stopped, ["y"]), { y: 1 });
  await assert.rejects(scalars({ x: 0, y: 2 }, stopped), refused("MAGDI_BAD_GRAPH", "does not depend on x:"));
});

test("a value with a gradient of its own hides the nodes that made it", async () => {
  const build = (g: GraphBuilder, { x = "" }: Record<string, Value>): Value => {
    const rounded = op.cast(g, op.greater(g, x, g.float(0, "float64")), "float64");
    const through = withGradient(g, rounded, [x], ({ dy }) => [() => op.mul(g, dy, g.float(7, "float64"))]);
    return op.mul(g, through, through);
  };
  assert.deepEqual(await scalars({ x: 3 }, build), { x: 14 });
});

test("only nodes between a parameter and the loss get a backward", () => {
  const g = new GraphBuilder();
  const [x, w, a, b] = ["x", "w", "a", "b"].map((name) => g.input(name, "float32", [4, 4])) as [
    Value,
    Value,
    Value,
    Value,
  ];
  const frozen = op.matMul(g, op.matMul(g, x, w), w);
  const adapted = op.matMul(g, op.matMul(g, frozen, a), b);
  const hidden = op.relu(g, op.add(g, op.matMul(g, frozen, w), adapted));
  g.value("Tanh", [hidden]);
  const loss = op.sumAll(g, op.matMul(g, hidden, w));
  const before = g.nodes.length;
  gradients(g, loss, [a, b]);
  const products = g.nodes.slice(before).filter(({ operator }) => operator.includes("MatMul"));
  // dh = dy·wᵀ, da, du, db: no weight of x·w, none of w itself, nothing for x or for the tanh.
  assert.equal(products.length, 4);
  for (const { name } of g.nodes.slice(before)) assert.match(name, /^gradient\./);
  assert.ok(g.nodes.slice(before).some(({ name }) => name.startsWith("gradient.MatMul_4.")));
  assert.ok(!g.nodes.slice(before).some(({ name }) => name.includes("Tanh")));
});

test("every parameter that the loss does not depend on is named", () => {
  const g = new GraphBuilder();
  const [x, y, z] = ["x", "y", "z"].map((name) => g.input(name, "float32", [2])) as [Value, Value, Value];
  const counted = op.cast(g, op.cast(g, y, "int64"), "float32");
  const loss = op.sumAll(g, op.mul(g, x, counted));
  assert.throws(() => gradients(g, loss, [x, y, z]), refused("MAGDI_BAD_GRAPH", `loss ${loss}`, "on y, z:"));
});

test("an operator without a rule stops the walk only where a gradient would have to pass", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", [2, 3]);
  const y = g.input("y", "float32", [2, 2]);
  g.scoped("layers.0", () => op.topK(g, x, 2, "best", "places"));
  const loss = op.sumAll(g, op.mul(g, "best", y));
  assert.equal(gradients(g, loss, [y]).size, 1);
  assert.throws(
    () => gradients(g, loss, [x]),
    refused("MAGDI_UNSUPPORTED", "operator TopK", "node layers.0.TopK"),
  );
  const norm = g.node("SkipSimplifiedLayerNormalization", [x, x, "w"], { domain: "com.microsoft" })[0] ?? "";
  assert.throws(
    () => gradients(g, op.sumAll(g, norm), [x]),
    refused("MAGDI_UNSUPPORTED", "com.microsoft.SkipSimplifiedLayerNormalization"),
  );
});

test("a loss that is no floating-point scalar is refused", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["n"]);
  assert.throws(() => gradients(g, x, [x]), refused("MAGDI_BAD_GRAPH", "loss x", "float32 [n]"));
  assert.throws(() => gradients(g, op.shape(g, x), [x]), refused("MAGDI_BAD_GRAPH", "int64 [1]"));
  assert.throws(() => gradients(g, "nothing", [x]), refused("MAGDI_BAD_GRAPH", "an unknown value"));
});

test("a gradient is a graph, and can be differentiated again", async () => {
  await assertGradients({
    inputs: { x: { shape: [2, 3] }, w: { shape: [3, 2] } },
    build: (g, { x = "", w = "" }) => {
      const y = op.tanh(g, op.matMul(g, x, w));
      return gradients(g, op.sumAll(g, op.mul(g, y, y)), [x]).get(x) ?? "";
    },
  });
});

test("shapes that are known by name alone need nothing found out at run time", () => {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", ["batch", "time", 8]);
  const w = g.input("w", "float32", [8, 8]);
  const bias = g.input("bias", "float32", [8]);
  const sizes = op.shape(g, x);
  const flat = op.reshape(g, x, [-1, 8]);
  const y = op.add(g, op.matMul(g, flat, w), bias);
  const heads = op.transpose(g, op.reshapeTo(g, y, op.concatenate(g, [sizes, g.ints([1])])), [0, 2, 1, 3]);
  const loss = op.sumAll(g, op.mul(g, heads, heads));
  gradients(g, loss, [x, w, bias]);
  assert.ok(!g.nodes.some(({ operator }) => operator === "NonZero"));
});

/** Three layers, the inner of which shape, split and normalise what they get. */
const layered =
  (again: boolean) =>
  (g: GraphBuilder, { x = "", w = "", v = "" }: Record<string, Value>): Value => {
    let y = op.matMul(g, x, w);
    for (let layer = 0; layer < 3; layer++) {
      const build = (): Value => {
        const [left = "", right = ""] = op.split(g, op.matMul(g, y, v), [2, 2]);
        const both = op.matMul(g, op.tanh(g, left), op.transpose(g, op.sigmoid(g, right), [1, 0]));
        return op.add(g, y, op.matMul(g, op.softmax(g, both), op.exp(g, y)));
      };
      y = again ? recomputed(g, build) : build();
    }
    return op.mul(g, y, y);
  };
const LAYERED = { x: { shape: [3, 2] }, w: { shape: [2, 4] }, v: { shape: [4, 4] } };

test("parts that are computed again have the gradients of finite differences and of parts that are kept", async () => {
  const kept = await assertGradients({ inputs: LAYERED, build: layered(false) });
  const again = await assertGradients({ inputs: LAYERED, build: layered(true) });
  assert.deepEqual(again, kept);
});

test("what a part is computed again from, and what follows it, is all that is kept of it", () => {
  const g = new GraphBuilder();
  const inputs = Object.entries(LAYERED).map(([name, { shape }]) => [name, g.input(name, "float32", shape)]);
  const loss = op.sumAll(g, layered(true)(g, Object.fromEntries(inputs)));
  const [forward, end] = [[...g.nodes], g.nodes.length];
  const found = gradients(g, loss, ["x", "w", "v"]);
  const used = new Set(g.nodes.slice(end).flatMap(({ inputs }) => inputs));
  const kept = forward.filter(({ outputs }) => outputs.some((output) => used.has(output)));
  assert.deepEqual(
    kept.map(({ operator }) => operator),
    ["MatMul", "Add", "Add", "Add", "Mul"], // of the last, the shape
  );
  for (const { name, outputs } of g.nodes.slice(end)) {
    const needed = outputs.some((output) => used.has(output) || [...found.values()].includes(output));
    assert.ok(needed, `${name} is there for nothing`);
  }
});

test("shares that weigh values give the same gradients whichever way their sum is found", async () => {
  const inputs = { s: { shape: [2, 3, 4] }, v: { shape: [2, 4, 5] } };
  const weighed = (g: GraphBuilder, { s = "", v = "" }: Record<string, Value>): Value => {
    const y = op.matMul(g, op.softmax(g, s), v);
    return op.mul(g, y, op.tanh(g, y));
  };
  await assertGradients({ inputs, build: weighed });
  const reshaped = (g: GraphBuilder, { s = "", v = "" }: Record<string, Value>): Value => {
    const shares = op.reshape(g, op.softmax(g, op.reshape(g, s, [2, 1, 3, 4])), [2, 3, 4]);
    const y = op.matMul(g, shares, v);
    return op.mul(g, y, op.tanh(g, y));
  };
  await assertGradients({ inputs, build: reshaped });
  const elsewhere = (g: GraphBuilder, { s = "", v = "" }: Record<string, Value>): Value => {
    const shares = op.softmax(g, s);
    const y = op.matMul(g, shares, v);
    return op.mul(g, op.mul(g, y, y), op.reduceSum(g, op.mul(g, shares, shares), -1, true));
  };
  await assertGradients({ inputs, build: elsewhere });
});
