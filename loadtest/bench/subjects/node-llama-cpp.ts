// Peer: node-llama-cpp on a GGUF of the same weights. The package is the bench's own dependency: see peers.ts.
import type { OpenSubject } from "../workload.ts";

/** The part of the package that the bench uses, as version 3.22 has it; the project does not depend on it. */
interface NodeLlamaCpp {
  getLlama(options: { gpu: false; build: "never"; maxThreads: number }): Promise<Llama>;
  readonly TokenBias: new (tokenizer: unknown) => { set(token: number, bias: "never"): void };
}
interface Llama {
  loadModel(options: { modelPath: string }): Promise<Model>;
  dispose(): Promise<void>;
}
interface Model {
  readonly tokenizer: unknown;
  readonly tokens: { readonly eos: number | null; readonly eot: number | null };
  createContext(options: { contextSize: number; sequences: number; threads: number }): Promise<Context>;
}
interface Context {
  getSequence(): Sequence;
}
interface Sequence {
  clearHistory(): Promise<void>;
  evaluate(tokens: readonly number[], options: object): AsyncIterable<number>;
}

export const openSubject: OpenSubject = async ({ model: modelPath, threads, rows, contextLength }) => {
  // Resolved at run time: the peers are installed only where the bench runs.
  const entry = process.env.MAGDI_BENCH_NODE_LLAMA_CPP ?? "node-llama-cpp";
  const { getLlama, TokenBias } = (await import(entry)) as NodeLlamaCpp; // see above
  const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({ contextSize: contextLength, sequences: rows, threads });
  const sequences = Array.from({ length: rows }, () => context.getSequence());
  return {
    async run({ prompts, samples, maxTokens, temperature }) {
      const wanted = prompts.flatMap((prompt) => Array.from({ length: samples }, () => prompt));
      for (const sequence of sequences) await sequence.clearHistory();
      const tokenBias = new TokenBias(model.tokenizer);
      for (const token of [model.tokens.eos, model.tokens.eot]) {
        if (token !== null) tokenBias.set(token, "never");
      }
      const startMs = performance.now();
      let firstTokenMs: number | null = null;
      let tokens = 0;
      await Promise.all(
        wanted.map(async (prompt, index) => {
          const sequence = sequences[index];
          if (sequence === undefined)
            throw new Error(`expected at most ${rows} sequences, found ${wanted.length}`);
          const seed = index + 1;
          const sampling = temperature > 0 ? { temperature, topK: 50, topP: 0.9, seed } : { temperature: 0 };
          let made = 0;
          for await (const _ of sequence.evaluate([...prompt], {
            ...sampling,
            tokenBias,
            yieldEogToken: true,
          })) {
            firstTokenMs ??= performance.now() - startMs;
            tokens++;
            if (++made === maxTokens) break;
          }
        }),
      );
      return { firstTokenMs: firstTokenMs ?? 0, totalMs: performance.now() - startMs, tokens };
    },
    async close() {
      await llama.dispose();
    },
  };
};
