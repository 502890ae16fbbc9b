// Runs small graphs and compares gradients with central differences in a random direction.

import assert from "node:assert/strict";
import { encodeModel } from "../../../src/onnx/encode.ts";
import { gradients } from "../../../src/onnx/gradient.ts";
import { type DataType, elementsOf, type Value } from "../../../src/onnx/graph.ts";
import { GraphBuilder } from "../../../src/onnx/graph-builder.ts";
import * as op from "../../../src/onnx/operators.ts";
import { OrtTensor } from "../../../src/runtime/ort-tensor.ts";
import { Binding, Session } from "../../../src/runtime/session.ts";

export interface Feed {
  readonly type: DataType;
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** Numbers in [-1, 1) that are the same on every machine. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

function tensorOf({ type, shape, values }: Feed): OrtTensor {
  const tensor = OrtTensor.zeros(type, shape);
  values.forEach((value, index) => {
    if (tensor.data instanceof BigInt64Array) tensor.data[index] = BigInt(value);
    else tensor.data[index] = value;
  });
  return tensor;
}

/** A graph that is opened once and run with several feeds. */
export class Runner {
  readonly #session: Session;
  readonly #outputs: Readonly<Record<string, readonly number[]>>;
  readonly #type: "float32" | "float64";

  private constructor(
    session: Session,
    outputs: Record<string, readonly number[]>,
    type: "float32" | "float64",
  ) {
    this.#session = session;
    this.#outputs = outputs;
    this.#type = type;
  }

  /** @param outputs the shape of each output of the run, all of one type, by value */
  static async open(
    g: GraphBuilder,
    outputs: Record<Value, readonly number[]>,
    type: "float32" | "float64" = "float64",
  ): Promise<Runner> {
    for (const [name, shape] of Object.entries(outputs)) g.output(name, type, shape);
    const session = await Session.open(encodeModel(g.build("derivatives")), {
      label: "derivatives",
      threads: 1,
    });
    return new Runner(session, outputs, type);
  }

  async run(feeds: Readonly<Record<string, Feed>>): Promise<Record<Value, number[]>> {
    const inputs = Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, tensorOf(feed)]));
    const outputs = Object.fromEntries(
      Object.entries(this.#outputs).map(([name, shape]) => [name, OrtTensor.zeros(this.#type, shape)]),
    );
    try {
      await this.#session.run(new Binding(inputs, outputs));
      return Object.fromEntries(
        Object.entries(outputs).map(([name, tensor]) => [name, Array.from(tensor.data, Number)]),
      );
    } finally {
      for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.release();
    }
  }

  [Symbol.dispose](): void {
    this.#session.close();
  }
}

export interface Case {
  /** Floating-point inputs by name: shape, and how a random number in [-1, 1) becomes a value. */
  readonly inputs: Readonly<Record<string, { shape: readonly number[]; value?: (random: number) => number }>>;
  /** Inputs that no gradient is asked for. */
  readonly constants?: Readonly<Record<string, Feed>>;
  /** The sizes that the graph is told; names where it is not to know a size. */
  readonly declared?: Readonly<Record<string, readonly (number | string)[]>>;
  readonly type?: "float32" | "float64";
  readonly build: (g: GraphBuilder, inputs: Record<string, Value>) => Value;
}

const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, index) => sum + value * (b[index] ?? Number.NaN), 0);

/** The loss is Σ w∘f with weights w of f's shape, made in the graph: wₙ = (7n mod 11 − 5) / 4, so that neighbours
 * count differently. */
function weightedSum(g: GraphBuilder, y: Value, type: "float32" | "float64"): Value {
  const sevens = op.mul(
    g,
    op.range(g, g.ints(1), op.add(g, g.value("Size", [y]), g.ints(1)), g.ints(1)),
    g.ints(7),
  );
  const remainders = op.sub(g, sevens, op.mul(g, op.div(g, sevens, g.ints(11)), g.ints(11)));
  const weights = op.div(g, op.cast(g, op.sub(g, remainders, g.ints(5)), type), g.float(4, type));
  return op.sumAll(g, op.mul(g, op.reshape(g, y, [-1]), weights));
}

/** Compares, for a random direction v, Σ gradient∘v with (f(x + hv) − f(x − hv)) / 2h, and holds each gradient to
 * its input's shape. */
export async function assertGradients(
  it: Case,
  seed = 1,
  tolerance = 1e-7,
): Promise<Record<string, number[]>> {
  const type = it.type ?? "float64";
  const g = new GraphBuilder();
  const names = Object.keys(it.inputs);
  const values: Record<string, Value> = {};
  for (const [name, { shape }] of Object.entries(it.inputs)) {
    values[name] = g.input(name, type, it.declared?.[name] ?? shape);
  }
  for (const [name, feed] of Object.entries(it.constants ?? {})) {
    values[name] = g.input(name, feed.type, it.declared?.[name] ?? feed.shape);
  }
  const loss = weightedSum(g, it.build(g, values), type);
  const found = gradients(g, loss, names);
  const gradientNames = new Map<string, string>();
  const outputs: Record<Value, readonly number[]> = { [loss]: [] };
  for (const [parameter, gradient] of found) {
    const named = g.value("Identity", [gradient]); // one value may be the gradient of two parameters
    gradientNames.set(parameter, named);
    outputs[named] = it.inputs[parameter]?.shape ?? [];
  }
  using runner = await Runner.open(g, outputs, type);
  const random = randomNumbers(seed);
  const draw = (count: number, map: (random: number) => number): number[] =>
    Array.from({ length: count }, () => map(random()));
  const points = Object.fromEntries(
    Object.entries(it.inputs).map(([name, { shape, value }]) => [
      name,
      draw(elementsOf(shape), value ?? ((x) => x)),
    ]),
  );
  const directions = Object.fromEntries(
    Object.entries(it.inputs).map(([name, { shape }]) => [name, draw(elementsOf(shape), (x) => x)]),
  );
  const feeds = (step: number): Record<string, Feed> => ({
    ...it.constants,
    ...Object.fromEntries(
      Object.entries(it.inputs).map(([name, { shape }]) => {
        const moved = (points[name] ?? []).map((x, index) => x + step * (directions[name]?.[index] ?? 0));
        return [name, { type, shape, values: moved }];
      }),
    ),
  });
  const h = type === "float64" ? 1e-5 : 1e-2;
  const [low, here, high] = [
    await runner.run(feeds(-h)),
    await runner.run(feeds(0)),
    await runner.run(feeds(h)),
  ];
  const result: Record<string, number[]> = {};
  let slope = 0;
  for (const [parameter, gradient] of gradientNames) {
    result[parameter] = here[gradient] ?? [];
    slope += dot(result[parameter] ?? [], directions[parameter] ?? []);
  }
  const measured = ((high[loss]?.[0] ?? Number.NaN) - (low[loss]?.[0] ?? Number.NaN)) / (2 * h);
  const error = Math.abs(slope - measured) / Math.max(1, Math.abs(measured));
  assert.ok(error < tolerance, `along v: gradient ${slope}, differences ${measured}, error ${error}`);
  assert.ok(Math.abs(measured) > 1e-3, `the function hardly changes along v: ${measured}`);
  return result;
}
