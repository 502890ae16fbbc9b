// Gradients of the fused operators that a decoder is made of.

import { undoBroadcast } from "../broadcast.ts";
import type { Value } from "../graph.ts";
import * as op from "../operators.ts";
import { floatAttribute } from "../value-facts.ts";
import { type Backward, constant, plain, unsupported } from "./rule.ts";

const MICROSOFT = "com.microsoft";

/** y = ρx∘w with ρ = (mean x² + ε)^-½ [..., 1]: with m = dy∘w, dx = ρ∘m − x∘ρ³∘mean(m∘x), dw = Σ dy∘ρx */
function rmsNorm(back: Backward, x: Value, weight: Value, deviationOf: () => Value) {
  const { g, facts, dy } = back;
  let known: Value | null = null;
  const deviation = (): Value => {
    known ??= deviationOf();
    return known;
  };
  return {
    dx: (): Value => {
      const rho = deviation();
      const m = op.mul(g, dy, weight);
      const mean = g.value("ReduceMean", [op.mul(g, m, x), g.ints([-1])], { attributes: { keepdims: 1 } });
      const cubed = op.mul(g, rho, op.mul(g, rho, rho));
      return op.sub(g, op.mul(g, m, rho), op.mul(g, x, op.mul(g, mean, cubed)));
    },
    dw: (): Value => undoBroadcast(g, facts, op.mul(g, dy, op.mul(g, x, deviation())), weight),
  };
}

export const FUSED = {
  SimplifiedLayerNormalization: plain((back) => {
    const { g, a, b, y } = back;
    const { dx, dw } = rmsNorm(back, a, b, () => g.optionalOutput(y, 1, "inverse_deviation"));
    return [dx, dw];
  }),
  // y = norm(s)∘w with s = a + b, and s itself as the fourth output: da = db = ds + the norm's dx
  SkipSimplifiedLayerNormalization: plain((back) => {
    const { g, node, c, y, cotangents } = back;
    if (node.inputs.length > 3) throw unsupported(node, "its bias");
    const sum = g.optionalOutput(y, 3, "sum");
    // On the CPU the operator leaves its inverse deviation unwritten; the plain norm of the sum writes it.
    const deviation = (): Value => {
      const rho = g.name("inverse_deviation");
      const epsilon = { float: floatAttribute(node, "epsilon", 1e-5) };
      const outputs = [g.name("normed"), rho];
      g.node("SimplifiedLayerNormalization", [sum, c], { attributes: { axis: -1, epsilon }, outputs });
      return rho;
    };
    const [normed, ds] = [cotangents[0] ?? null, cotangents[3] ?? null];
    const { dx, dw } = rmsNorm(back, sum, c, deviation);
    let both: Value | null = null;
    const input = (): Value => {
      if (normed === null) return ds ?? "";
      both ??= ds === null ? dx() : op.add(g, ds, dx());
      return both;
    };
    return [input, input, dw];
  }),
  // y = x turned by each position's angles: dx = dy turned by the negated angles
  RotaryEmbedding: plain(({ g, node, dy, once }) => {
    const [, positions = "", cosine = "", sine = ""] = node.inputs;
    const negated = (): Value => once(`negated ${sine}`, () => op.neg(g, sine));
    const turned = (): Value =>
      g.value("RotaryEmbedding", [dy, positions, cosine, negated()], {
        domain: MICROSOFT,
        attributes: node.attributes,
      });
    return [turned];
  }),
  // y = x∘σ(αx): dx = dy∘(σ + αy∘(1 − σ)) = dy∘(σ + αy − αy∘σ)
  QuickGelu: plain((back) => {
    const { g, node, a, y, dy } = back;
    const alpha = floatAttribute(node, "alpha", 1.702);
    const scaled = (x: Value): Value => (alpha === 1 ? x : op.mul(g, x, constant(back, alpha, a)));
    return [
      () => {
        const sigma = op.sigmoid(g, scaled(a));
        const scaledY = scaled(y);
        const slope = op.sub(g, op.add(g, sigma, scaledY), op.mul(g, scaledY, sigma));
        return op.mul(g, dy, slope);
      },
    ];
  }),
} as const;
