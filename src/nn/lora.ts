// Low-rank adapters on a decoder's linear layers: y = x·Wᵀ + s·(x·Aᵀ)·Bᵀ (Hu et al. 2021, arXiv 2106.09685). Each A and B
// is an input of the graph, by its PEFT key.

import type { Value } from "../onnx/graph.ts";
import type { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import { type DecoderConfig, expectedTensors } from "./decoder-config.ts";
import type { DecoderWeights } from "./decoder-weights.ts";
import type { Adapter } from "./linear.ts";

/** Modules that can have an adapter, with the block of a layer that each is in. */
const BLOCKS = {
  q_proj: "self_attn",
  k_proj: "self_attn",
  v_proj: "self_attn",
  o_proj: "self_attn",
  gate_proj: "mlp",
  up_proj: "mlp",
  down_proj: "mlp",
} as const;

export type LoraTarget = keyof typeof BLOCKS;
// Object.keys widens the keys of the constant above.
export const LORA_TARGETS = Object.keys(BLOCKS) as readonly LoraTarget[];

export interface LoraOptions {
  readonly rank: number;
  /** s: alpha / rank, or alpha / √rank for rank-stabilised adapters. */
  readonly scale: number;
  readonly targets: readonly LoraTarget[];
  /** Dropout on an adapter's input, from 0 to below 1. */
  readonly dropout: number;
  /** When given, only these modules have an adapter, each with its own rank and scale, as from PEFT's rank_pattern. */
  readonly own?: ReadonlyMap<string, { readonly rank: number; readonly scale: number }>;
}

export interface AdaptedModule {
  /** Such as model.layers.0.self_attn.q_proj. */
  readonly module: string;
  /** The adapter's tensors by PEFT key. */
  readonly keyA: string;
  readonly keyB: string;
  /** Columns and rows of W: A is [rank, columns], B [rows, rank]. */
  readonly columns: number;
  readonly rows: number;
  readonly rank: number;
  readonly scale: number;
}

/** Every module with an adapter, layer by layer. */
export function adaptedModules(config: DecoderConfig, lora: LoraOptions): AdaptedModule[] {
  const tensors = expectedTensors(config);
  return Array.from({ length: config.layers }, (_, layer) =>
    LORA_TARGETS.filter((target) => lora.targets.includes(target)).flatMap((target) => {
      const module = `model.layers.${layer}.${BLOCKS[target]}.${target}`;
      const own = lora.own === undefined ? lora : lora.own.get(module);
      if (own === undefined) return [];
      const [rows = 0, columns = 0] = tensors.get(`${module}.weight`) ?? [];
      const key = (part: string): string => `base_model.model.${module}.lora_${part}.weight`;
      return [{ module, keyA: key("A"), keyB: key("B"), columns, rows, rank: own.rank, scale: own.scale }];
    }),
  ).flat();
}

/** The shapes of an adapter's tensors, A [rank, columns] and B [rows, rank], by PEFT key. */
export function adapterShapes(config: DecoderConfig, lora: LoraOptions): Map<string, readonly number[]> {
  const modules = adaptedModules(config, lora);
  return new Map(
    modules.flatMap(({ keyA, keyB, columns, rows, rank }) => [
      [keyA, [rank, columns]],
      [keyB, [rows, rank]],
    ]),
  );
}

/** Columns of the random bits that dropout needs: the width of the widest input of an adapter. */
export function noiseColumns(config: DecoderConfig, lora: LoraOptions): number {
  return Math.max(0, ...adaptedModules(config, lora).map(({ columns }) => columns));
}

/** An odd multiplier for each adapter, mixed by MurmurHash3's finaliser. */
function multiplierOf(index: number): number {
  let mixed = Math.imul(index + 1, 0x9e3779b1);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) | 1;
}

/** A scalar int32 constant. */
function int32(g: GraphBuilder, value: number): Value {
  const bytes = new Uint8Array(Int32Array.of(value).buffer);
  return g.initializer(`constant.int32.${value}`, {
    type: "int32",
    shape: [],
    data: { kind: "inline", bytes },
  });
}

/** Dropout without rescaling: x [T, K], noise int32 [T, W >= K] of uniform bits → x with values zeroed at rate `share`. Each
 * adapter derives its own mask from the same noise: uniform bits times an odd number, modulo 2^32, are uniform again. */
function dropped(
  g: GraphBuilder,
  x: Value,
  noise: Value,
  columns: number,
  share: number,
  index: number,
): Value {
  const own = g.value("Slice", [noise, g.ints([0]), g.ints([columns]), g.ints([1])]);
  const bits = op.mul(g, own, int32(g, multiplierOf(index)));
  const below = Math.floor(share * 2 ** 32) - 2 ** 31;
  return op.where(g, op.less(g, bits, int32(g, below)), g.float(0), x);
}

/** The weights with an adapter on every target. `noise` is int32 [T, noiseColumns], or null without dropout. The keys of
 * adapterShapes must be values of the graph. */
export function withLora(
  weights: DecoderWeights,
  config: DecoderConfig,
  lora: LoraOptions,
  noise: Value | null,
): DecoderWeights {
  const kept = noise === null ? 1 : 1 - lora.dropout;
  const adapters = new Map<string, Adapter>(
    adaptedModules(config, lora).map(({ module, keyA, keyB, columns, scale }, index) => [
      module,
      (g, x, y) => {
        const seen = noise === null ? x : dropped(g, x, noise, columns, lora.dropout, index);
        const narrow = op.fusedMatMul(g, seen, keyA, { transB: true });
        return op.gemm(g, narrow, keyB, y, { transB: true, alpha: scale / kept });
      },
    ]),
  );
  return {
    ...weights,
    linears: (modules) => {
      let first = 0;
      return weights.linears(modules).map((group) => {
        const own = modules.slice(first, first + group.rows.length);
        first += own.length;
        return { ...group, adapters: own.map((module) => adapters.get(module) ?? null) };
      });
    },
  };
}
