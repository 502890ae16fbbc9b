// Holds our gradients to those of another differentiator, jax-js, which reads the same ONNX bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultDevice, grad, init, numpy } from "@jax-js/jax";
import { ONNXModel } from "@jax-js/onnx";
import { encodeModel } from "../../src/onnx/encode.ts";
import { gradients } from "../../src/onnx/gradient.ts";
import { elementsOf, type Model, type Value } from "../../src/onnx/graph.ts";
import { GraphBuilder } from "../../src/onnx/graph-builder.ts";
import * as op from "../../src/onnx/operators.ts";
import { type Feed, Runner, randomNumbers } from "./support/derivatives.ts";

const [BATCH, TIME, HEADS, HEAD_SIZE, INNER, VOCABULARY, RANK] = [2, 5, 2, 4, 12, 11, 3];
const WIDTH = HEADS * HEAD_SIZE;

const PARAMETERS: Readonly<Record<string, readonly number[]>> = {
  embedding: [VOCABULARY, WIDTH],
  attention_norm: [WIDTH],
  query: [WIDTH, WIDTH],
  query_a: [WIDTH, RANK],
  query_b: [RANK, WIDTH],
  key: [WIDTH, WIDTH],
  value: [WIDTH, WIDTH],
  value_bias: [WIDTH],
  output: [WIDTH, WIDTH],
  feed_norm: [WIDTH],
  gate: [WIDTH, INNER],
  up: [WIDTH, INNER],
  down: [INNER, WIDTH],
  head: [WIDTH, VOCABULARY],
  score: [WIDTH, 1],
};
const TOKENS = [1, 4, 4, 0, 9, 10, 2, 3, 3, 7];
const LABELS = [4, 4, 0, 9, 3, 2, 3, 3, 7, 5];

function rmsNorm(g: GraphBuilder, x: Value, weight: Value): Value {
  const mean = g.value("ReduceMean", [op.mul(g, x, x), g.ints([-1])]);
  return op.mul(g, op.div(g, x, g.value("Sqrt", [op.add(g, mean, g.float(1e-5))])), weight);
}

/** x [B, T, C] → [B, H, T, D] */
const headsFirst = (g: GraphBuilder, x: Value): Value =>
  op.transpose(g, op.reshape(g, x, [BATCH, TIME, HEADS, HEAD_SIZE]), [0, 2, 1, 3]);

/** A decoder of one layer with an adapter on the queries: the mean negative log-likelihood of the labels, and a margin
 * between the scores of two pooled sequences. */
function decoderLoss(g: GraphBuilder): Value {
  const tokens = g.input("tokens", "int64", [BATCH, TIME]);
  const labels = g.input("labels", "float32", [BATCH * TIME, VOCABULARY]); // one-hot
  const mask = g.input("mask", "float32", [TIME, TIME]);
  for (const [name, shape] of Object.entries(PARAMETERS)) g.input(name, "float32", shape);
  let x = op.gather(g, "embedding", tokens, 0);
  const normed = rmsNorm(g, x, "attention_norm");
  const adapted = op.matMul(g, op.matMul(g, normed, "query_a"), "query_b");
  const query = headsFirst(g, op.add(g, op.matMul(g, normed, "query"), op.mul(g, adapted, g.float(2))));
  const key = headsFirst(g, op.matMul(g, normed, "key"));
  const value = headsFirst(g, op.add(g, op.matMul(g, normed, "value"), "value_bias"));
  const scores = op.matMul(g, query, op.transpose(g, key, [0, 1, 3, 2]));
  const scaled = op.add(g, op.div(g, scores, g.float(Math.sqrt(HEAD_SIZE))), mask);
  const attended = op.transpose(g, op.matMul(g, op.softmax(g, scaled), value), [0, 2, 1, 3]);
  x = op.add(g, x, op.matMul(g, op.reshape(g, attended, [BATCH, TIME, WIDTH]), "output"));
  const fed = rmsNorm(g, x, "feed_norm");
  const gate = op.matMul(g, fed, "gate");
  const silu = op.mul(g, gate, op.sigmoid(g, gate));
  x = op.add(g, x, op.matMul(g, op.mul(g, silu, op.matMul(g, fed, "up")), "down"));
  const logits = op.matMul(g, op.reshape(g, x, [BATCH * TIME, WIDTH]), "head");
  const shifted = op.sub(g, logits, g.value("ReduceMax", [logits, g.ints([-1])]));
  const total = op.log(g, op.reduceSum(g, op.exp(g, shifted), -1, true));
  const likelihood = op.mul(g, op.sub(g, shifted, total), labels);
  const nll = op.neg(g, op.div(g, op.sumAll(g, likelihood), g.float(BATCH * TIME)));
  const pooled = g.value("ReduceMean", [x, g.ints([1])], { attributes: { keepdims: 0 } });
  const [good = "", bad = ""] = g.node("Split", [op.tanh(g, op.matMul(g, pooled, "score")), g.ints([1, 1])], {
    attributes: { axis: 0 },
    outputs: [g.name("good"), g.name("bad")],
  });
  const margin = op.relu(g, op.sub(g, g.float(1), op.sub(g, good, bad)));
  return op.add(g, nll, op.mul(g, op.sumAll(g, margin), g.float(0.1)));
}

function feeds(): Record<string, Feed> {
  const random = randomNumbers(5);
  const oneHot = LABELS.flatMap((label) =>
    Array.from({ length: VOCABULARY }, (_, i) => (i === label ? 1 : 0)),
  );
  const mask = Array.from({ length: TIME * TIME }, (_, i) => (i % TIME > Math.floor(i / TIME) ? -1e9 : 0));
  return {
    tokens: { type: "int64", shape: [BATCH, TIME], values: TOKENS },
    labels: { type: "float32", shape: [BATCH * TIME, VOCABULARY], values: oneHot },
    mask: { type: "float32", shape: [TIME, TIME], values: mask },
    ...Object.fromEntries(
      Object.entries(PARAMETERS).map(([name, shape]) => {
        const values = Array.from({ length: elementsOf(shape) }, () => Math.fround(random()));
        return [name, { type: "float32", shape, values }] as const;
      }),
    ),
  };
}

async function ours(): Promise<{ loss: number; gradients: Record<string, number[]>; forward: Model }> {
  const g = new GraphBuilder();
  const loss = decoderLoss(g);
  const found = gradients(g, loss, Object.keys(PARAMETERS));
  const outputs: Record<Value, readonly number[]> = { [loss]: [] };
  for (const [parameter, gradient] of found) outputs[gradient] = PARAMETERS[parameter] ?? [];
  using runner = await Runner.open(g, outputs, "float32");
  const result = await runner.run(feeds());
  const alone = new GraphBuilder();
  const output = decoderLoss(alone);
  alone.output(output, "float32", []);
  const byName = [...found].map(([parameter, gradient]) => [parameter, result[gradient] ?? []]);
  return {
    loss: result[loss]?.[0] ?? Number.NaN,
    gradients: Object.fromEntries(byName),
    forward: alone.build("forward"),
  };
}

test("a decoder's gradients are those that jax-js finds in the same forward graph", async () => {
  const { loss, gradients: found, forward } = await ours();
  await init("wasm");
  defaultDevice("wasm");
  const model = new ONNXModel(new Uint8Array(encodeModel(forward)));
  const { tokens, labels, mask, ...parameters } = feeds();
  const array = (feed: Feed | undefined): numpy.Array => {
    assert.ok(feed);
    const dtype = feed.type === "int64" ? numpy.int32 : numpy.float32;
    return numpy.array([...feed.values], { dtype, shape: [...feed.shape] });
  };
  const run = (values: Record<string, numpy.Array>): numpy.Array => {
    const [output] = Object.values(
      model.run({ ...values, tokens: array(tokens), labels: array(labels), mask: array(mask) }),
    );
    assert.ok(output);
    return output;
  };
  const arrays = (): Record<string, numpy.Array> =>
    Object.fromEntries(Object.entries(parameters).map(([name, feed]) => [name, array(feed)]));
  const [theirLoss] = await run(arrays()).data();
  assert.ok(Math.abs((theirLoss ?? Number.NaN) - loss) < 1e-5, `losses ${theirLoss} and ${loss}`);
  const theirs = grad(run)(arrays());
  for (const name of Object.keys(PARAMETERS)) {
    const expected = Array.from((await theirs[name]?.data()) ?? [], Number);
    const gradient = found[name] ?? [];
    assert.equal(gradient.length, expected.length, name);
    const error = Math.hypot(...expected.map((value, index) => value - (gradient[index] ?? Number.NaN)));
    const scale = Math.hypot(...expected);
    assert.ok(scale > 1e-3, `${name}: its gradient is ${scale}, too small to compare`);
    assert.ok(error / scale < 1e-5, `${name}: off by ${error / scale}`);
  }
  model.dispose();
});
