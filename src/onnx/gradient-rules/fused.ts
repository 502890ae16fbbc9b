// Gradients of the fused operators of a decoder.

import { undoBroadcast } from "../broadcast.ts";
import { floatAttribute, type Value } from "../graph.ts";
import * as op from "../operators.ts";
import { constant, plain } from "./rule.ts";

const MICROSOFT = "com.microsoft";

export const FUSED = {
  // y = ρx∘w with ρ = (mean x² + ε)^-½ [..., 1]: with m = dy∘w, dx = ρ∘m − x∘ρ³∘mean(m∘x), dw = Σ dy∘ρx
  SimplifiedLayerNormalization: plain(({ g, facts, a: x, b: weight, y, dy }) => {
    const deviation = (): Value => g.optionalOutput(y, 1, "inverse_deviation");
    return [
      () => {
        const rho = deviation();
        const m = op.mul(g, dy, weight);
        const mean = g.value("ReduceMean", [op.mul(g, m, x), g.ints([-1])], { attributes: { keepdims: 1 } });
        const cubed = op.mul(g, rho, op.mul(g, rho, rho));
        return op.sub(g, op.mul(g, m, rho), op.mul(g, x, op.mul(g, mean, cubed)));
      },
      () => undoBroadcast(g, facts, op.mul(g, dy, op.mul(g, x, deviation())), weight),
    ];
  }),
  // y = x rotated by each position's angles: dx = dy rotated by the negated angles
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
