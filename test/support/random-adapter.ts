// A PEFT adapter's folder of random tensors for any base, written without the code under test's own writer.

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type DecoderConfig, expectedTensors } from "../../src/nn/decoder-config.ts";
import { writeSafetensors } from "../../src/tensor/safetensors.ts";
import { SeededRandom } from "../text/seeded-random.ts";

export interface RandomTensor {
  readonly name: string;
  readonly type: "F32";
  shape: number[];
  data: Float32Array<ArrayBuffer>;
}

export interface RandomAdapterOptions {
  readonly rank?: number;
  /** Kinds of modules, or whole names. */
  readonly targets?: readonly string[];
  /** Over the defaults. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly rankOf?: (module: string) => number;
  /** Changes the tensors before they are written. */
  readonly change?: (tensors: RandomTensor[]) => RandomTensor[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly seed?: number;
}

export function randomTensor(name: string, shape: number[], random: SeededRandom): RandomTensor {
  const length = shape.reduce((product, size) => product * size, 1);
  const data = Float32Array.from({ length }, () => (random.below(4001) - 2000) / 20_000);
  return { name, type: "F32", shape, data };
}

/** Returns the tensors that were written, by name. */
export function writeRandomAdapter(
  folder: string,
  base: DecoderConfig,
  options: RandomAdapterOptions = {},
): Map<string, RandomTensor> {
  const { rank = 4, targets = ["q_proj", "v_proj"], change = (tensors) => tensors } = options;
  const random = new SeededRandom(options.seed ?? 11);
  const modules = [...expectedTensors(base)].flatMap(([name, [rows = 0, columns = 0]]) => {
    const module = name.replace(/\.weight$/, "");
    const isTarget = targets.some((target) => module === target || module.endsWith(`.${target}`));
    return isTarget && name.endsWith(".weight") ? [{ module, rows, columns }] : [];
  });
  const tensors = change(
    modules.flatMap(({ module, rows, columns }) => {
      const own = options.rankOf?.(module) ?? rank;
      const key = `base_model.model.${module}.lora_`;
      return [
        randomTensor(`${key}A.weight`, [own, columns], random),
        randomTensor(`${key}B.weight`, [rows, own], random),
      ];
    }),
  );
  mkdirSync(folder, { recursive: true });
  writeSafetensors(path.join(folder, "adapter_model.safetensors"), tensors, options.metadata);
  const config = { peft_type: "LORA", r: rank, lora_alpha: 8, target_modules: targets, ...options.config };
  writeFileSync(path.join(folder, "adapter_config.json"), JSON.stringify(config));
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}
