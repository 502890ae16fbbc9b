// One function for each of our own operators (domain magdi), which native/ computes on the CPU.

import type { Value } from "./graph.ts";
import { type GraphBuilder, OWN_DOMAIN } from "./graph-builder.ts";

/** Rows of a weight matrix in blocks of 32: w = scale·code + min, or scale·(code − 2^(bits−1)) without minimums. */
export interface BlockRows {
  /** uint8 [N, K/32, 16 or 32] */
  readonly codes: Value;
  /** float16 or float32 [N, K/32] */
  readonly scales: Value;
  /** The value of code 0: float16 or float32 [N, K/32]. */
  readonly mins: Value | null;
  readonly bits: 4 | 8;
}

export interface QuantisedLinear {
  /** At most three, joined by rows. */
  readonly weights: readonly BlockRows[];
  /** float32 [N] */
  readonly bias: Value | null;
  /** The RMS norm that x goes through first: float32 [K]. */
  readonly norm?: { readonly weight: Value; readonly epsilon: number };
  /** Added to the result. */
  readonly residual?: Value;
  /** The first half of the rows is the gate, the second what it scales: silu(first) ∘ second. */
  readonly swiglu?: boolean;
  /** The result's name, where it is an output of the graph. */
  readonly output?: Value;
}

/** x float32 [..., K], weights [N, K] → [..., N], or [..., N/2] with swiglu */
export function quantisedLinear(g: GraphBuilder, x: Value, linear: QuantisedLinear): Value {
  const { weights, bias, norm, residual = "", swiglu = false, output } = linear;
  const sources = weights.flatMap(({ codes, scales, mins }) => [codes, scales, mins ?? ""]);
  const inputs = [x, norm?.weight ?? "", residual, bias ?? "", ...sources];
  while (inputs.at(-1) === "") inputs.pop();
  const outputs = output === undefined ? {} : { outputs: [output] };
  return g.value("Linear", inputs, {
    ...outputs,
    domain: OWN_DOMAIN,
    attributes: {
      epsilon: { float: norm?.epsilon ?? 0 },
      swiglu: swiglu ? 1 : 0,
      centres: weights.map(({ bits }) => 2 ** (bits - 1)),
    },
  });
}

/** Positions of one tile of cached keys: element (position t, dimension d) lies at ((t/16)·D + d)·16 + t mod 16. */
export const KEY_TILE_TOKENS = 16;

export interface CachedAttention {
  /** Queries, keys and values, float32 [B, S, (heads + 2·keyValueHeads)·D]. */
  readonly packed: Value;
  /** [B, keyValueHeads, capacity, D]; keys in tiles. The capacity is a multiple of KEY_TILE_TOKENS. */
  readonly pastKey: Value;
  readonly pastValue: Value;
  /** Names of the outputs: the caches after this call. */
  readonly presentKey: Value;
  readonly presentValue: Value;
  /** int32 [B]: tokens of each row after this call, minus one. */
  readonly lengths: Value;
  /** [positions, D/2] */
  readonly cosine: Value;
  readonly sine: Value;
  /** RMS norms over each head's D values. */
  readonly norms: { readonly query: Value; readonly key: Value; readonly epsilon: number } | null;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly headSize: number;
  /** Tokens that a position attends to, itself included; null is all. */
  readonly window: number | null;
}

/** Rotary embedding and grouped-query attention over a cache that is updated in place → [B, S, heads·D] */
export function cachedAttention(g: GraphBuilder, a: CachedAttention): Value {
  const output = g.name("Attention.out");
  const inputs = [a.packed, a.pastKey, a.pastValue, a.lengths, a.cosine, a.sine];
  if (a.norms !== null) inputs.push(a.norms.query, a.norms.key);
  g.node("Attention", inputs, {
    domain: OWN_DOMAIN,
    attributes: {
      heads: a.heads,
      kv_heads: a.keyValueHeads,
      head_size: a.headSize,
      window: a.window ?? 0,
      epsilon: { float: a.norms?.epsilon ?? 0 },
    },
    outputs: [output, a.presentKey, a.presentValue],
  });
  return output;
}

/** logits [B, V] → the outputs candidate_logits [B, count], best first, candidate_ids int64 [B, count] and log_sum_exp
 * [B] */
export function candidates(g: GraphBuilder, logits: Value, count: number): void {
  g.node("Candidates", [logits], {
    domain: OWN_DOMAIN,
    attributes: { count },
    outputs: ["candidate_logits", "candidate_ids", "log_sum_exp"],
  });
}
