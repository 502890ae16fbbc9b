// What a base model's products are given on plain texts: the largest magnitude of each input channel, as SmoothQuant
// needs it (Xiao et al. 2022, arXiv 2211.10438). It runs the float32 graph.

import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { calibrationGraph, observedInputs } from "../nn/calibration-graph.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { WeightLoader } from "../nn/serving-graph.ts";
import { encodeModel } from "../onnx/encode.ts";
import { OrtTensor } from "../runtime/ort-tensor.ts";
import { Binding, Session } from "../runtime/session.ts";
import { openTokenizer } from "../text/tokenizer.ts";
import { CALIBRATION_TEXTS } from "./calibration-texts.ts";

/** By the first module that takes an input: its channels' largest magnitudes [K]. */
export type InputMaxima = ReadonlyMap<string, Float32Array>;

/** Texts are cut there. */
const LONGEST_TOKENS = 256;

/** The texts one after another. `textFolder` holds the tokenizer's files. */
export async function calibrationTokens(textFolder: string): Promise<Int32Array> {
  const tokenizer = await openTokenizer(textFolder);
  return Int32Array.from(
    CALIBRATION_TEXTS.flatMap((text) => [...tokenizer.encode(text, { addSpecialTokens: true })]),
  );
}

export interface CalibrationOptions {
  /** Holds the tokenizer's files. */
  readonly textFolder: string;
  /** Where the data files lie that `load` names; the graph lies beside them while it is run. */
  readonly graphFolder: string;
  readonly load: WeightLoader;
  readonly threads: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** @throws MagdiError MAGDI_RUNTIME when the graph cannot be run */
export async function inputMaxima(config: DecoderConfig, options: CalibrationOptions): Promise<InputMaxima> {
  const tokenizer = await openTokenizer(options.textFolder);
  const longest = Math.min(LONGEST_TOKENS, config.positions);
  const texts = CALIBRATION_TEXTS.map((text) =>
    tokenizer.encode(text, { addSpecialTokens: true }).slice(0, longest),
  );
  const graphPath = path.join(options.graphFolder, "calibration.onnx");
  writeFileSync(graphPath, encodeModel(calibrationGraph(config, options.load)));
  const session = await Session.open(graphPath, { label: "calibration", threads: options.threads });
  const tensors: OrtTensor[] = [];
  const made = <T extends OrtTensor>(tensor: T): T => {
    tensors.push(tensor);
    return tensor;
  };
  try {
    const cacheShape = [1, config.keyValueHeads, longest, config.headSize];
    const caches = Array.from({ length: config.layers }, (_, layer) =>
      ["key", "value"].map(
        (part) => [`past_key_values.${layer}.${part}`, made(OrtTensor.zeros("float32", cacheShape))] as const,
      ),
    ).flat();
    const outputs = Object.fromEntries(
      [...observedInputs(config)].map(([name, width]) => [name, made(OrtTensor.zeros("float32", [width]))]),
    );
    const maxima = new Map<string, Float32Array>();
    for (const [index, text] of texts.entries()) {
      const ids = made(OrtTensor.zeros("int64", [1, text.length]));
      ids.data.set(BigInt64Array.from(text, BigInt));
      const lengths = made(OrtTensor.zeros("int32", [1]));
      lengths.data[0] = text.length - 1;
      const total = made(OrtTensor.zeros("int32", []));
      total.data[0] = text.length;
      const inputs = { input_ids: ids, lengths, total_length: total, ...Object.fromEntries(caches) };
      await session.run(new Binding(inputs, outputs));
      for (const [name, { data }] of Object.entries(outputs)) {
        const largest = maxima.get(name) ?? new Float32Array(data.length);
        for (let channel = 0; channel < largest.length; channel++) {
          largest[channel] = Math.max(largest[channel]!, data[channel]!);
        }
        maxima.set(name, largest);
      }
      options.onProgress?.(index + 1, texts.length);
    }
    return maxima;
  } finally {
    session.close();
    for (const each of tensors) each.release();
    rmSync(graphPath, { force: true });
  }
}
