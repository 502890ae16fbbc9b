// The decoder's operators for training: attention over whole right-padded sequences, made of differentiable operators.
// Padding comes after all real tokens, where the causal mask hides it.

import { recomputed } from "../onnx/activation-checkpointing.ts";
import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { plusProduct } from "../onnx/product-sum.ts";
import type { DecoderContext } from "./decoder.ts";
import type { DecoderConfig } from "./decoder-config.ts";
import type { DecoderWeights } from "./decoder-weights.ts";

/** The value of masked scores: their attention weight is exactly zero, and a fully masked row stays finite. */
const MASKED = -1e9;

/** places int64 [T] = 0, 1, … → [T, T]: 0 where query t attends to key u, u <= t and t - u < window; MASKED elsewhere */
function causalMask(g: GraphBuilder, places: Value, window: number | null): Value {
  const query = op.unsqueeze(g, places, 1);
  const key = op.unsqueeze(g, places, 0);
  let hidden = op.greater(g, key, query);
  if (window !== null) hidden = op.or(g, hidden, op.greater(g, op.sub(g, query, key), g.ints(window - 1)));
  return op.where(g, hidden, g.float(MASKED), g.float(0));
}

/** Sequence packing: several chains in one sequence, after the prompt that they share. */
export interface SharedPrompts {
  /** int64 [B, T]: a token's position in its prompt and chain, as if there were no other chain. */
  readonly positions: Value;
  /** int64 [B, T]: 0 in the prompt and on padding, else the chain, from 1. A chain attends to the prompt and itself. */
  readonly chains: Value;
}

/** As causalMask → [B, 1, 1, T, T], MASKED also where the key belongs to another chain */
function chainMask(
  g: GraphBuilder,
  places: Value,
  { chains, positions }: SharedPrompts,
  window: number | null,
): Value {
  const [query, key] = [op.unsqueeze(g, chains, 2), op.unsqueeze(g, chains, 1)];
  // 0 where the key is in the prompt or in the query's own chain.
  const apart = op.mul(g, key, op.sub(g, key, query));
  let mask = op.where(g, op.equal(g, apart, g.ints(0)), causalMask(g, places, null), g.float(MASKED));
  if (window !== null) {
    const distance = op.sub(g, op.unsqueeze(g, positions, 2), op.unsqueeze(g, positions, 1));
    mask = op.where(g, op.greater(g, distance, g.ints(window - 1)), g.float(MASKED), mask);
  }
  return g.value("Unsqueeze", [mask, g.ints([1, 2])]);
}

/** x [..., C], weight [C] → x / rms(x) ∘ weight in elementary operators: WebGPU's fused norm does not output the inverse
 * deviation that the gradient needs. */
export function plainNorm(g: GraphBuilder, x: Value, weight: Value, epsilon: number): Value {
  const attributes = { keepdims: 1 };
  const mean = g.value("ReduceMean", [op.mul(g, x, x), g.ints([-1])], { attributes });
  const deviation = g.value("Sqrt", [op.add(g, mean, g.float(epsilon))]);
  return op.mul(g, op.div(g, x, deviation), weight);
}

/** ids int64 [B, T]. With `recompute`, only the residual stream between layers is kept for the backward pass. With `shared`,
 * each sequence holds several chains. */
export function trainingContext(
  g: GraphBuilder,
  ids: Value,
  config: DecoderConfig,
  weights: Pick<DecoderWeights, "cosine" | "sine">,
  recompute: boolean,
  shared: SharedPrompts | null = null,
  norm: DecoderContext["norm"] = op.simplifiedLayerNormalization,
): DecoderContext {
  const { heads, keyValueHeads, headSize } = config;
  const group = heads / keyValueHeads;
  const batchShape = op.shape(g, ids);
  const batch = op.gather(g, batchShape, g.ints([0]), 0);
  const time = op.gather(g, batchShape, g.ints([1]), 0);
  const shapeOf = (...sizes: readonly (Value | number)[]): Value =>
    op.concatenate(
      g,
      sizes.map((size) => (typeof size === "number" ? g.ints([size]) : size)),
    );
  // The queries of a group are stacked along time, so that keys and values need not be repeated.
  const groupTime = op.mul(g, time, g.ints([group]));
  const shapes = {
    queries: shapeOf(batch, time, keyValueHeads, group, headSize),
    folded: shapeOf(batch, keyValueHeads, groupTime, headSize),
    keys: shapeOf(batch, time, keyValueHeads, headSize),
    scores: shapeOf(batch, keyValueHeads, group, time, time),
    foldedScores: shapeOf(batch, keyValueHeads, groupTime, time),
    unfolded: shapeOf(batch, keyValueHeads, group, time, headSize),
  };
  const places = op.range(g, g.ints(0), op.gather(g, batchShape, g.ints(1), 0), g.ints(1));
  const masks = new Map<number | null, Value>();
  const maskOf = (window: number | null): Value => {
    const made = (): Value =>
      shared === null ? causalMask(g, places, window) : chainMask(g, places, shared, window);
    const mask = masks.get(window) ?? made();
    masks.set(window, mask);
    return mask;
  };
  const headsFirst = (g: GraphBuilder, x: Value): Value =>
    op.transpose(g, op.reshapeTo(g, x, shapes.keys), [0, 2, 1, 3]);
  return {
    batchShape,
    rotary: { cosine: weights.cosine, sine: weights.sine, positions: shared?.positions ?? g.ints([0]) },
    norm,
    addNorm: (g, branch, residual, weight, epsilon) => {
      const sum = plusProduct(g, residual, branch);
      return [norm(g, sum, weight, epsilon), sum];
    },
    layer: (g, build) => (recompute ? recomputed(g, build) : build()),
    packed: false,
    attend: (g, layer, { query, key, value }) => {
      const grouped = op.transpose(g, op.reshapeTo(g, query, shapes.queries), [0, 2, 3, 1, 4]);
      const queries = op.reshapeTo(g, grouped, shapes.folded);
      const scores = op.fusedMatMul(g, queries, headsFirst(g, key), {
        transB: true,
        alpha: 1 / Math.sqrt(headSize),
      });
      const mask = maskOf(config.windows[layer] ?? null);
      const masked = op.add(g, op.reshapeTo(g, scores, shapes.scores), mask);
      const attention = op.reshapeTo(g, op.softmax(g, masked), shapes.foldedScores);
      const attended = op.matMul(g, attention, headsFirst(g, value));
      const inTime = op.transpose(g, op.reshapeTo(g, attended, shapes.unfolded), [0, 3, 1, 2, 4]);
      return op.reshape(g, inTime, [-1, heads * headSize]);
    },
  };
}
