// Peer: llama.cpp's own server on a GGUF of the same weights, with a slot for each sequence. MAGDI_BENCH_LLAMA_SERVER names
// the program.
import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import type { OpenSubject } from "../workload.ts";
import { dataLines } from "./data-lines.ts";

const READY_MS = 120_000;

export const openSubject: OpenSubject = async ({ model, threads, rows, contextLength }) => {
  const program = process.env.MAGDI_BENCH_LLAMA_SERVER ?? "llama-server";
  const port = await freePort();
  const child = spawn(
    program,
    [
      ...["--model", model, "--host", "127.0.0.1", "--port", String(port), "--no-webui"],
      ...["--threads", String(threads), "--threads-batch", String(threads), "--parallel", String(rows)],
      // A context of its own for each slot; prompts are not reused from call to call.
      ...["--ctx-size", String(rows * contextLength), "--no-cache-prompt", "--cache-ram", "0"],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  const errors: string[] = [];
  child.stderr?.on("data", (chunk: Buffer) => errors.splice(0, Math.max(0, errors.push(String(chunk)) - 20)));
  const exited = new Promise<void>((resolve) => child.once("close", () => resolve()));
  process.once("exit", () => void child.kill("SIGKILL"));
  const url = `http://127.0.0.1:${port}`;
  await whenReady(url, child, errors);
  return {
    async run({ prompts, samples, maxTokens, temperature }) {
      const wanted = prompts.flatMap((prompt) => Array.from({ length: samples }, () => prompt));
      const startMs = performance.now();
      let firstTokenMs: number | null = null;
      const counts = await Promise.all(
        wanted.map(async (prompt, index) => {
          const response = await fetch(`${url}/completion`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({
              prompt,
              n_predict: maxTokens,
              ...(temperature > 0
                ? {
                    temperature,
                    top_k: 50,
                    top_p: 0.9,
                    min_p: 0,
                    samplers: ["top_k", "top_p", "temperature"],
                  }
                : { temperature: 0, samplers: ["top_k"], top_k: 1 }),
              seed: index + 1,
              ignore_eos: true,
              cache_prompt: false,
              stream: true,
            }),
          });
          if (!response.ok || response.body === null) throw new Error(await response.text());
          let made = 0;
          for await (const data of dataLines(response.body)) {
            firstTokenMs ??= performance.now() - startMs;
            const { tokens_predicted } = JSON.parse(data) as { tokens_predicted?: number }; // its last line has it
            made = tokens_predicted ?? made;
          }
          return made;
        }),
      );
      const tokens = counts.reduce((sum, count) => sum + count, 0);
      return { firstTokenMs: firstTokenMs ?? 0, totalMs: performance.now() - startMs, tokens };
    },
    async close() {
      child.kill("SIGTERM");
      await exited;
    },
  };
};

async function whenReady(url: string, child: ChildProcess, errors: readonly string[]): Promise<void> {
  const startMs = performance.now();
  while (performance.now() - startMs < READY_MS) {
    if (child.exitCode !== null || child.pid === undefined)
      throw new Error(`llama-server ended: ${errors.join("")}`);
    const response = await fetch(`${url}/health`).catch(() => null);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`llama-server was not ready after ${READY_MS / 1000} s`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
