// Fused operators run in 32 bits only. Each is compared with the same function made of primitives in 64 bits, whose
// gradients finite differences have confirmed in the same run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gradients } from "../../src/onnx/gradient.ts";
import type { Value } from "../../src/onnx/graph.ts";
import { GraphBuilder } from "../../src/onnx/graph-builder.ts";
import * as op from "../../src/onnx/operators.ts";
import { assertGradients, type Case, type Feed } from "./support/derivatives.ts";

type Build = Case["build"];

async function assertSameGradients(
  it: Omit<Case, "build" | "type">,
  fused: Build,
  primitive: Build,
): Promise<void> {
  const expected = await assertGradients({ ...it, type: "float64", build: primitive }, 3);
  const found = await assertGradients({ ...it, type: "float32", build: fused }, 3, 2e-2);
  for (const [name, gradient] of Object.entries(expected)) {
    const scale = Math.hypot(...gradient);
    const error = Math.hypot(...gradient.map((value, index) => value - (found[name]?.[index] ?? Number.NaN)));
    assert.ok(error / scale < 1e-5, `${name}: off by ${error / scale}`);
  }
}

const EPSILON = 1e-3;

/** x / √(mean x² + ε) ∘ weight, over the last axis */
function rmsNorm(g: GraphBuilder, x: Value, weight: Value): Value {
  const mean = g.value("ReduceMean", [op.mul(g, x, x), g.ints([-1])]);
  const deviation = g.value("Sqrt", [op.add(g, mean, g.float(EPSILON, "float64"))]);
  return op.mul(g, op.div(g, x, deviation), weight);
}

test("SimplifiedLayerNormalization: of any rank, values and weight", async () => {
  for (const shape of [[6], [3, 6], [2, 3, 6]]) {
    await assertSameGradients(
      {
        inputs: { x: { shape }, w: { shape: [6] } },
        declared: { x: shape.map((size, i) => (i === 0 ? "n" : size)) },
      },
      (g, { x = "", w = "" }) => op.simplifiedLayerNormalization(g, x, w, EPSILON),
      (g, { x = "", w = "" }) => rmsNorm(g, x, w),
    );
  }
});

test("RotaryEmbedding: turned back by the same angles", async () => {
  const [heads, half, positions] = [2, 4, 5];
  const angles = Array.from({ length: positions * half }, (_, i) => Math.floor(i / half) / (1 + (i % half)));
  const table = (of: (angle: number) => number): Feed => ({
    type: "float32",
    shape: [positions, half],
    values: angles.map(of).map(Math.fround),
  });
  await assertSameGradients(
    {
      inputs: { x: { shape: [2, 3, heads * half * 2] } },
      constants: {
        positions: { type: "int64", shape: [2, 3], values: [0, 1, 2, 4, 3, 2] },
        cosine: table(Math.cos),
        sine: table(Math.sin),
      },
    },
    (g, { x = "", positions = "", cosine = "", sine = "" }) =>
      op.rotaryEmbedding(g, x, positions, cosine, sine, heads),
    (g, { x = "", positions = "", cosine = "", sine = "" }) => {
      const byHead = op.reshape(g, x, [0, 0, heads, half * 2]);
      const [a = "", b = ""] = op.split(g, byHead, [half, half]);
      const at = (table: Value): Value =>
        op.unsqueeze(g, op.cast(g, op.gather(g, table, positions, 0), "float64"), 2);
      const left = op.sub(g, op.mul(g, a, at(cosine)), op.mul(g, b, at(sine)));
      const right = op.add(g, op.mul(g, b, at(cosine)), op.mul(g, a, at(sine)));
      return op.reshape(g, g.value("Concat", [left, right], { attributes: { axis: -1 } }), [0, 0, -1]);
    },
  );
});

test("QuickGelu: as SiLU and with a factor", async () => {
  for (const alpha of [1, 1.702]) {
    await assertSameGradients(
      { inputs: { x: { shape: [3, 5], value: (random) => 3 * random } } },
      (g, { x = "" }) =>
        g.value("QuickGelu", [x], { domain: "com.microsoft", attributes: { alpha: { float: alpha } } }),
      (g, { x = "" }) => op.mul(g, x, op.sigmoid(g, op.mul(g, x, g.float(Math.fround(alpha), "float64")))),
    );
  }
});

test("products that add up to one gradient are added where they are multiplied", async () => {
  const inputs = { x: { shape: [3, 4] }, w: { shape: [4, 5] }, v: { shape: [5, 4] } };
  const build: Build = (g, { x = "", w = "", v = "" }) => {
    const half = op.matMul(g, op.add(g, x, x), w);
    return op.mul(
      g,
      half,
      op.tanh(g, op.add(g, op.matMul(g, x, w), op.matMul(g, op.matMul(g, x, w), op.matMul(g, v, w)))),
    );
  };
  await assertSameGradients({ inputs }, build, build);
  const g = new GraphBuilder();
  for (const [name, { shape }] of Object.entries(inputs)) g.input(name, "float32", shape);
  const loss = op.sumAll(g, build(g, { x: "x", w: "w", v: "v" }));
  const end = g.nodes.length;
  const found = gradients(g, loss, ["x", "w", "v"]);
  const added = g.nodes.slice(end);
  assert.ok(added.some(({ operator }) => operator === "Gemm"));
  const used = new Set([...added.flatMap(({ inputs }) => inputs), ...found.values()]);
  for (const { name, outputs } of added)
    assert.ok(
      outputs.some((output) => used.has(output)),
      name,
    );
});
