// Our server over HTTP: the real process, driven through /v1/completions with token ids and streams.
import { MAGDI_SERVE, ServerProcess } from "../../server/server-process.ts";
import type { OpenSubject } from "../workload.ts";
import { dataLines } from "./data-lines.ts";

export const openSubject: OpenSubject = async ({ model, dtype, threads, rows, contextLength }) => {
  const server = new ServerProcess([
    ...MAGDI_SERVE,
    ...["--port", "0"],
    ...["--model", model, "--dtype", dtype, "--threads", String(threads), "--batch-rows", String(rows)],
    ...["--context-length", String(contextLength), "--prefix-cache-tokens", "0", "--log-level", "warn"],
  ]);
  const url = await server.ready();
  return {
    async run({ prompts, samples, maxTokens, temperature }) {
      const startMs = performance.now();
      let firstTokenMs: number | null = null;
      const counts = await Promise.all(
        prompts.map(async (prompt) => {
          const response = await fetch(`${url}/v1/completions`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({
              prompt,
              n: samples,
              max_tokens: maxTokens,
              temperature,
              top_k: 50,
              top_p: 0.9,
              seed: 1,
              ignore_eos: true,
              stream: true,
              stream_options: { include_usage: true },
            }),
          });
          if (!response.ok || response.body === null) throw new Error(await response.text());
          let completionTokens = 0;
          for await (const data of dataLines(response.body)) {
            firstTokenMs ??= performance.now() - startMs;
            if (!data.includes('"completion_tokens"')) continue;
            // Our own last chunk, of which only this is read.
            const { usage } = JSON.parse(data) as { usage: { completion_tokens: number } };
            completionTokens = usage.completion_tokens;
          }
          return completionTokens;
        }),
      );
      const tokens = counts.reduce((sum, count) => sum + count, 0);
      return { firstTokenMs: firstTokenMs ?? 0, totalMs: performance.now() - startMs, tokens };
    },
    async close() {
      server.kill("SIGTERM");
      await server.exited;
    },
  };
};
