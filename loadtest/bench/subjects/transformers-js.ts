// Peer: transformers.js on the same student folder.
import path from "node:path";
import { AutoModelForCausalLM, BaseStreamer, env, Tensor } from "@huggingface/transformers";
import type { OpenSubject } from "../workload.ts";

class FirstTokenClock extends BaseStreamer {
  readonly #startMs = performance.now();
  #puts = 0;
  firstTokenMs: number | null = null;

  override put(): void {
    // The first call echoes the prompt.
    if (++this.#puts === 2) this.firstTokenMs = performance.now() - this.#startMs;
  }

  override end(): void {}
}

export const openSubject: OpenSubject = async ({ model, dtype, threads }) => {
  env.allowRemoteModels = false;
  env.localModelPath = path.dirname(path.resolve(model));
  const student = await AutoModelForCausalLM.from_pretrained(path.basename(model), {
    dtype: dtype as "q4", // the dtypes are named after theirs
    device: "cpu",
    session_options: { intraOpNumThreads: threads },
  });
  return {
    async run({ prompts, samples, maxTokens, temperature }) {
      const rows = prompts.flatMap((prompt) => Array.from({ length: samples }, () => prompt));
      const length = Math.max(...rows.map((row) => row.length));
      const ids = rows.flatMap((row) => [...Array(length - row.length).fill(0), ...row]);
      const mask = rows.flatMap((row) => [
        ...Array(length - row.length).fill(0),
        ...Array(row.length).fill(1),
      ]);
      const tensor = (values: number[]) =>
        new Tensor("int64", BigInt64Array.from(values.map(BigInt)), [rows.length, length]);
      const inputs = { input_ids: tensor(ids), attention_mask: tensor(mask) };
      const startMs = performance.now();
      // It can stream only one row, so the time to first token comes from a run with one row.
      const clock = rows.length === 1 ? new FirstTokenClock() : null;
      const output = await student.generate({
        ...inputs,
        min_new_tokens: maxTokens,
        max_new_tokens: maxTokens,
        do_sample: temperature > 0,
        ...(temperature > 0 ? { temperature, top_k: 50, top_p: 0.9 } : {}),
        ...(clock === null ? {} : { streamer: clock }),
      } as object as Parameters<typeof student.generate>[0]); // its type wants every generation setting
      const totalMs = performance.now() - startMs;
      const made = (output as Tensor).dims as [number, number]; // generate gives one tensor unless asked for more
      return {
        firstTokenMs: clock?.firstTokenMs ?? 0,
        totalMs,
        tokens: rows.length * (made[1] - length),
      };
    },
    async close() {
      await student.dispose();
    },
  };
};
