// A LoRA adapter in PEFT's format: adapter_config.json and adapter_model.safetensors, as PEFT and vLLM load them. It
// knows nothing of training.

import { existsSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../../base/errors.ts";
import { writeWholeFile } from "../../base/files/whole-file.ts";
import { writeWholeFolder } from "../../base/files/whole-folder.ts";
import { type DecoderConfig, expectedTensors } from "../../nn/decoder-config.ts";
import { adaptedModules, LORA_TARGETS, type LoraOptions } from "../../nn/lora.ts";
import { openSafetensors, writeSafetensors } from "../../tensor/safetensors.ts";
import { type Shape, shapeMismatches } from "../../tensor/shape-mismatch.ts";
import { closingOnError, type TensorFile } from "../../tensor/tensor-file.ts";
import { ADAPTER_CONFIG_FILE, ADAPTER_TENSORS_FILE, type PeftConfig, readPeftConfig } from "./peft-config.ts";

/** One module's y = x·Wᵀ + scale·(x·Aᵀ)·Bᵀ */
export interface LoraModule {
  /** Such as model.layers.0.self_attn.q_proj. */
  readonly module: string;
  readonly rank: number;
  readonly alpha: number;
  readonly scale: number;
  /** [rank, columns] */
  readonly a: Float32Array;
  /** [rows, rank] */
  readonly b: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

export interface PeftAdapter {
  /** The folder it was read from. */
  readonly source: string;
  readonly config: PeftConfig;
  readonly modules: readonly LoraModule[];
  /** The metadata of the tensor file, such as format: pt. */
  readonly metadata: ReadonlyMap<string, string>;
}

/** PEFT's key of a module's A or B. */
export const adapterKey = (module: string, part: "A" | "B"): string =>
  `base_model.model.${module}.lora_${part}.weight`;

/** Every linear module of a decoder, with the shape of its weight: those that can have an adapter. */
function linearModules(config: DecoderConfig): [module: string, shape: Shape][] {
  return [...expectedTensors(config)]
    .filter(([name, shape]) => shape.length === 2 && name !== "model.embed_tokens.weight")
    .map(([name, shape]) => [name.slice(0, -".weight".length), shape]);
}

function adapted(config: DecoderConfig, peft: PeftConfig): [module: string, shape: Shape][] {
  for (const [module, reason] of [
    ["model.embed_tokens", "adapters on embeddings are not implemented"],
    ["lm_head", "the base's head is its embedding, and an adapter on the head would untie the two"],
  ] as const) {
    const isRefused = module === "model.embed_tokens" || config.tiedHead;
    if (isRefused && peft.adapts(module)) {
      throw new MagdiError("MAGDI_UNSUPPORTED", `${peft.source}: target_modules: ${module}: ${reason}`);
    }
  }
  const modules = linearModules(config).filter(([module]) => peft.adapts(module));
  if (modules.length > 0) return modules;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${peft.source}: target_modules, layers_to_transform: expected some of the base's modules, found none of them; the adapter would do nothing`,
  );
}

function openTensors(folder: string): ReturnType<typeof openSafetensors> {
  const file = path.join(folder, ADAPTER_TENSORS_FILE);
  if (!existsSync(file) && existsSync(path.join(folder, "adapter_model.bin"))) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      `${folder}: adapter_model.bin is a Python pickle, which is not read; save it as ${ADAPTER_TENSORS_FILE} with PEFT's save_pretrained(safe_serialization=True)`,
    );
  }
  return openSafetensors(file, { within: folder });
}

function finite(file: TensorFile, key: string): Float32Array {
  const values = file.readFloat32(key);
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return values;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${file.path}: tensor ${key}: expected finite numbers, found ${values[at]}; the training diverged`,
  );
}

/**
 * Reads an adapter for a base of this shape.
 *
 * @throws MAGDI_FILE_MISSING; MAGDI_UNSUPPORTED naming every field that is not implemented; MAGDI_BAD_FILE naming
 * every tensor that is missing, unexpected or mis-shaped, with both shapes.
 */
export function readPeftAdapter(folder: string, config: DecoderConfig): PeftAdapter {
  const peft = readPeftConfig(folder);
  const modules = adapted(config, peft);
  const file = openTensors(folder);
  return closingOnError(file, () => {
    const expected = new Map<string, Shape>(
      modules.flatMap(([module, [rows = 0, columns = 0]]) => [
        [adapterKey(module, "A"), [peft.rank(module), columns]],
        [adapterKey(module, "B"), [rows, peft.rank(module)]],
      ]),
    );
    const mismatches = shapeMismatches(expected, file.entries);
    if (mismatches !== "") {
      const made = peft.base === null ? "" : ` (it was made for ${peft.base})`;
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${file.path}: the adapter's tensors do not fit ${ADAPTER_CONFIG_FILE} and the base${made}${mismatches}`,
      );
    }
    const read = modules.map(([module, [rows = 0, columns = 0]]) => ({
      module,
      rank: peft.rank(module),
      alpha: peft.alpha(module),
      scale: peft.scale(module),
      a: finite(file, adapterKey(module, "A")),
      b: finite(file, adapterKey(module, "B")),
      rows,
      columns,
    }));
    const metadata = file.metadata;
    file.close();
    return { source: folder, config: peft, modules: read, metadata };
  });
}

/** @throws MAGDI_BAD_FILE when every s·B·A is zero, as before training: such an adapter changes nothing. */
export function assertNotNoOp({ source, modules }: PeftAdapter): void {
  const isNotZero = (value: number): boolean => value !== 0;
  if (modules.some(({ a, b, scale }) => scale !== 0 && b.some(isNotZero) && a.some(isNotZero))) return;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${source}: every adapter's product B·A is zero, or its lora_alpha is, so that the result would be the base itself; was it saved before training?`,
  );
}

/** The adapter as options of our training graph. @throws MAGDI_UNSUPPORTED naming modules that the graph cannot adapt. */
export function trainableLora(config: DecoderConfig, { source, modules }: PeftAdapter): LoraOptions {
  const own = new Map(modules.map(({ module, rank, scale }) => [module, { rank, scale }]));
  const lora = { rank: 0, scale: 0, targets: LORA_TARGETS, dropout: 0, own };
  const known = new Set(adaptedModules(config, lora).map(({ module }) => module));
  const others = [...own.keys()].filter((module) => !known.has(module));
  if (others.length === 0) return lora;
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${source}: training has adapters on ${LORA_TARGETS.join(", ")}, found one on ${others.join(", ")}`,
  );
}

export interface AdapterToWrite {
  /** The base as the user named it; PEFT loads it from there unless told otherwise. */
  readonly base: string;
  readonly rank: number;
  readonly alpha: number;
  readonly dropout: number;
  /** Kinds of modules, such as q_proj, or whole names. */
  readonly targets: readonly string[];
  /** Scale alpha / √rank instead of alpha / rank. */
  readonly rankStabilised?: boolean;
  /** Of modules that differ, by their whole names. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  readonly alphaPattern?: Readonly<Record<string, number>>;
  /** By PEFT key; others, such as a training step's heads, are left out. */
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape; readonly data: Float32Array }>;
  /** Metadata of the tensor file, such as the level of distillation. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** An adapter's ranks, alphas and modules, for another one of the same modules. */
export function sameModules(
  config: DecoderConfig,
  { config: peft, modules }: PeftAdapter,
): Required<Omit<AdapterToWrite, "base" | "dropout" | "tensors" | "metadata">> {
  const rank = mostFrequent(modules.map((module) => module.rank));
  const alpha = mostFrequent(modules.map((module) => module.alpha));
  const kinds = [...new Set(modules.map(({ module }) => module.slice(module.lastIndexOf(".") + 1)))];
  const everywhere = modules.length === kinds.length * config.layers;
  const others = (key: "rank" | "alpha", usual: number): Record<string, number> =>
    Object.fromEntries(modules.flatMap((one) => (one[key] === usual ? [] : [[one.module, one[key]]])));
  return {
    rank,
    alpha,
    targets: everywhere ? kinds : modules.map(({ module }) => module),
    rankStabilised: peft.rankStabilised,
    rankPattern: others("rank", rank),
    alphaPattern: others("alpha", alpha),
  };
}

function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), [0, 0])[0];
}

const isAdapterKey = (key: string): boolean => /^base_model\.model\..+\.lora_[AB]\.weight$/.test(key);

/** Writes both files into a folder that is there. @throws MAGDI_NOT_WRITTEN */
export function writePeftFiles(folder: string, adapter: AdapterToWrite): void {
  const config = {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: adapter.base,
    r: adapter.rank,
    lora_alpha: adapter.alpha,
    lora_dropout: adapter.dropout,
    target_modules: adapter.targets,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    modules_to_save: null,
    rank_pattern: adapter.rankPattern ?? {},
    alpha_pattern: adapter.alphaPattern ?? {},
    revision: null,
    use_dora: false,
    use_rslora: adapter.rankStabilised ?? false,
  };
  const tensors = [...adapter.tensors]
    .filter(([key]) => isAdapterKey(key))
    .map(([name, { shape, data }]) => ({ name, type: "F32" as const, shape, data }));
  if (tensors.length === 0) {
    throw new MagdiError("MAGDI_BAD_CONFIG", `${folder}: expected adapters to write, found no tensor of one`);
  }
  writeSafetensors(path.join(folder, ADAPTER_TENSORS_FILE), tensors, { format: "pt", ...adapter.metadata });
  writeWholeFile(path.join(folder, ADAPTER_CONFIG_FILE), `${JSON.stringify(config, null, 2)}\n`);
}

/** Writes a folder that PEFT and vLLM load; it is the old one or the whole new one. @throws MAGDI_NOT_WRITTEN */
export function writePeftAdapter(folder: string, adapter: AdapterToWrite): void {
  writeWholeFolder(path.resolve(folder), (partial) => writePeftFiles(partial, adapter));
}
