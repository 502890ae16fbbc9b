// Greedy generation by transformers.js from a student folder, as its users load it.

import path from "node:path";
import { AutoModelForCausalLM, env, type PreTrainedModel, Tensor } from "@huggingface/transformers";
import type { StudentFolder } from "../../src/student/open-student-folder.ts";

export async function openInTransformersJs(student: StudentFolder): Promise<PreTrainedModel> {
  env.allowRemoteModels = false;
  env.localModelPath = `${path.dirname(student.path)}${path.sep}`;
  return AutoModelForCausalLM.from_pretrained(path.basename(student.path), {
    dtype: student.dtype,
    device: "cpu",
    local_files_only: true,
  });
}

/** `count` greedy tokens after the prompt. The prompt is generated twice in one batch: without AVX-512 the 4-bit
 * kernel gives a lone row other last bits than a row among others, and our engine never runs a lone row there. */
export async function greedyInTransformersJs(
  model: PreTrainedModel,
  prompt: ArrayLike<number>,
  count: number,
): Promise<number[]> {
  const ids = BigInt64Array.from(Array.from(prompt, BigInt));
  const rows = BigInt64Array.from([...ids, ...ids]);
  const shape = [2, ids.length];
  const generated = await model.generate({
    inputs: new Tensor("int64", rows, shape),
    attention_mask: new Tensor("int64", new BigInt64Array(rows.length).fill(1n), shape),
    max_new_tokens: count,
    do_sample: false,
  });
  if (!(generated instanceof Tensor)) throw new Error("generate gave no tensor");
  const whole: number[] = Array.from(generated.data, Number);
  return whole.slice(ids.length, whole.length / 2);
}
