// The texts that error-compensating quantisation calibrates on, and their tokens.

import type { DecoderConfig } from "../nn/decoder-config.ts";
import { openTokenizer } from "../text/tokenizer.ts";

/** The tokens of all texts, joined, without those that the embedding has no row for. `textFolder` holds the tokenizer's
 * files. */
export async function calibrationTokens(
  textFolder: string,
  { vocabSize }: DecoderConfig,
): Promise<Int32Array> {
  const tokenizer = await openTokenizer(textFolder);
  const texts = CALIBRATION_TEXTS.map((text) => tokenizer.encode(text, { addSpecialTokens: true }));
  return Int32Array.from(texts.flatMap((ids) => [...ids.filter((id) => id < vocabSize)]));
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
