// Calibration: the texts, and the largest magnitude of each input channel of a model's matrix products on them, for
// SmoothQuant (Xiao et al. 2022, arXiv 2211.10438).

import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { calibrationGraph, observedInputs } from "../nn/calibration-graph.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import type { WeightLoader } from "../nn/serving-graph.ts";
import { encodeModel } from "../onnx/encode.ts";
import { OrtTensor } from "../runtime/ort-tensor.ts";
import { Binding, Session } from "../runtime/session.ts";
import { openTokenizer } from "../text/tokenizer.ts";

/** Largest magnitude of each channel [K] of an input, by the first module that takes the input. */
export type InputMaxima = ReadonlyMap<string, Float32Array>;

/** Longer texts are truncated. */
const MAX_TEXT_TOKENS = 256;

/** The tokens of all texts, joined. `textFolder` holds the tokenizer's files. */
export async function calibrationTokens(textFolder: string, config: DecoderConfig): Promise<Int32Array> {
  return Int32Array.from((await tokenised(textFolder, config)).flatMap((ids) => [...ids]));
}

/** Without tokens that the embedding has no row for. */
async function tokenised(textFolder: string, { vocabSize }: DecoderConfig): Promise<Int32Array[]> {
  const tokenizer = await openTokenizer(textFolder);
  return CALIBRATION_TEXTS.map((text) =>
    tokenizer.encode(text, { addSpecialTokens: true }).filter((id) => id < vocabSize),
  );
}

export interface CalibrationOptions {
  /** Holds the tokenizer's files. */
  readonly textFolder: string;
  /** Folder of the data files that `load` names; the calibration graph is written beside them for the run. */
  readonly graphFolder: string;
  readonly load: WeightLoader;
  readonly threads: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Runs the float32 graph on the texts. @throws MagdiError MAGDI_RUNTIME when it cannot be run */
export async function inputMaxima(config: DecoderConfig, options: CalibrationOptions): Promise<InputMaxima> {
  const longest = Math.min(MAX_TEXT_TOKENS, config.positions);
  const texts = (await tokenised(options.textFolder, config)).map((ids) => ids.slice(0, longest));
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

export const CALIBRATION_TEXTS: readonly string[] = [
  "Question: A farmer has 17 sheep and buys 3 pens with 4 sheep each. How many sheep does he have now? Answer: Three pens with four sheep each hold 3 * 4 = 12 sheep. Together with the 17 that he had, he has 17 + 12 = 29 sheep. The final answer is 29.",
  "Q: Would a penguin survive in the Sahara? A: Penguins are built to keep warm in cold water, and they eat fish. The Sahara is hot and dry, and has no sea. Without cooling and food a penguin would die within days. So the answer is no.",
  "<|im_start|>user\nWhere would you keep milk so that it stays fresh?\nOptions:\n(A) oven\n(B) refrigerator\n(C) bookshelf\n(D) garden\n(E) car<|im_end|>\n<|im_start|>assistant\nMilk spoils when it is warm. A refrigerator keeps it cold, so the answer is (B).<|im_end|>",
  "Problem: Solve $3x - 7 = 2x + 5$ for $x$. Solution: Subtract $2x$ from both sides to get $x - 7 = 5$. Adding 7 gives $x = 12$. Check: $3 \\cdot 12 - 7 = 29$ and $2 \\cdot 12 + 5 = 29$. Therefore $\\boxed{12}$.",
  "The moon goes around the earth once in about twenty-seven days. Because it turns once on its own axis in the same time, we always see the same side of it, and nobody had seen the other until a probe flew around it in 1959.",
  "def mean(values):\n    total = 0.0\n    for value in values:\n        total += value\n    return total / len(values) if values else None\n\nprint(mean([1, 2, 3.5]))  # 2.1666666666666665\n",
  "Which of these is a renewable source of energy? (A) coal (B) natural gas (C) wind (D) uranium. Coal and gas are burnt once and gone, and uranium is mined. Wind keeps blowing because the sun heats the air unevenly. The answer is (C).",
  "In 1815 the volcano Tambora erupted and threw so much ash into the sky that the following year had no summer in much of Europe and North America. Harvests failed, bread was dear, and many families left for the west.",
  "Janet's ducks lay 16 eggs a day. She eats three for breakfast and bakes muffins with four. She sells the rest at $2 an egg. 16 - 3 - 4 = 9 eggs are left, which bring 9 * 2 = $18 a day. The answer is 18.",
  "Passage: The human heart has four chambers. Blood from the body enters the right atrium, passes to the right ventricle and is pumped to the lungs. Question: does blood from the body enter the left atrium first? Answer: No. It enters the right atrium.",
  '{"name": "Ada", "born": 1815, "fields": ["mathematics", "computing"], "note": null, "score": 9.75}',
  "I think the other answer is wrong. If all the boxes were full there would be 8 times 12, which is 96, but the last one is only half full, so we must take away 6. That leaves 90. I am fairly confident in this answer.",
  "A recipe for six people needs 450 grams of rice. For ten people we need 450 / 6 = 75 grams a person, so 75 x 10 = 750 grams. At 1.20 euros a kilogram that costs 0.9 euros.",
  "La ville est située au bord de la mer. Die Bibliothek öffnet um neun Uhr. El tren sale a las siete y media. 東京は日本の首都です。",
  "First, list what we know: the triangle has a right angle, and its legs are 5 and 12. By Pythagoras the hypotenuse is sqrt(25 + 144) = sqrt(169) = 13. Its perimeter is therefore 5 + 12 + 13 = 30.",
  "Dear Ms. Okafor,\n\nThank you for your letter of 3 March. We have looked into the matter and found that the parcel was delivered to the wrong address; a new one left our warehouse this morning. We are sorry for the trouble.\n\nYours sincerely,\nThe service team",
];
