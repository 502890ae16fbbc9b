// Runs llama.cpp's own benchmarks on the same GGUF: the speed of its kernels without a binding.
import { execFileSync } from "node:child_process";
import path from "node:path";

/** Tokens a second of prefill (64, 512 tokens), of one stream, and of 10 and 16 sequences decoded together.
 * @throws Error when the programs are not in `folder` or fail */
export function runLlamaBench(folder: string, gguf: string, threads: number): Record<string, number> {
  const run = (program: string, args: string[]) =>
    execFileSync(path.join(folder, program), args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const output = run("llama-bench", [
    "-m",
    gguf,
    "-t",
    String(threads),
    "-p",
    "64,512",
    "-n",
    "128",
    "-r",
    "5",
    "-o",
    "json",
  ]);
  const results = JSON.parse(output) as { n_prompt: number; n_gen: number; avg_ts: number }[]; // llama-bench's JSON
  const rates = Object.fromEntries(
    results.map(({ n_prompt, n_gen, avg_ts }) => [
      n_gen > 0 ? "one stream" : `prefill of ${n_prompt}`,
      avg_ts,
    ]),
  );
  const batched = run("llama-batched-bench", [
    ...["-m", gguf, "-t", String(threads), "-c", "4096", "-npp", "64", "-ntg", "64", "-npl", "10,16"],
    ...["--output-format", "jsonl"],
  ]);
  for (const line of batched.split("\n").filter((text) => text.startsWith("{"))) {
    const { pl, speed_tg } = JSON.parse(line) as { pl: number; speed_tg: number }; // llama-batched-bench's JSON
    rates[`${pl} sequences`] = speed_tg;
  }
  return rates;
}
