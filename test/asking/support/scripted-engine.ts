// An engine that generates nothing: each sample's text and length are given, and a test decides who gets a token in a step.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CancelReason, FinishReason } from "../../../src/base/finish-reason.ts";
import type {
  EngineStats,
  Generation,
  GenerationEngine,
  GenerationListener,
  GenerationRequest,
  GenerationResult,
  SampleResult,
} from "../../../src/engine/request.ts";

export interface ScriptedSample {
  readonly text: string;
  /** What is read of the text. */
  readonly answer: string;
  readonly tokens: number;
  /** Of each token. */
  readonly logprob: number;
}

const PROMPT_TOKENS = 3;

/** Of one request. */
export class ScriptedEngine implements GenerationEngine {
  readonly contextLength = 10_000;
  readonly maxSamplesPerRequest = 1000;
  readonly #samples: readonly ScriptedSample[];
  readonly #getsToken: (sample: number) => boolean;

  constructor(samples: readonly ScriptedSample[], getsToken: (sample: number) => boolean) {
    this.#samples = samples;
    this.#getsToken = getsToken;
  }

  assertRoom(): void {}

  submit(request: GenerationRequest, listener: GenerationListener = {}): Generation {
    let started = request.startSamples ?? request.samples;
    const tokens = this.#samples.map(() => 0);
    const results = new Map<number, SampleResult>();
    const end = (index: number, finishReason: FinishReason) => {
      const { text, logprob } = this.#samples[index]!;
      const count = tokens[index]!;
      const result: SampleResult = {
        ...{ index, text: finishReason === "stop" ? text : "", tail: "", finishReason, stopString: null },
        ...{ tokenIds: new Array<number>(count).fill(0), logprobSum: logprob * count, logprobs: null },
      };
      results.set(index, result);
      listener.onSampleEnd?.(result);
    };
    const step = () => {
      for (const [index, sample] of this.#samples.entries()) {
        if (index >= started || results.has(index) || !this.#getsToken(index)) continue;
        tokens[index]! += 1;
        listener.onToken?.({ sample: index, tokenId: 0, logprob: sample.logprob, text: "", detail: null });
        if (tokens[index] === sample.tokens && !results.has(index)) end(index, "stop");
      }
    };
    const generate = async (): Promise<GenerationResult> => {
      await nextTurn();
      while (results.size < this.#samples.length) step();
      return {
        samples: [...results.values()].sort((a, b) => a.index - b.index),
        ...{ promptTokens: PROMPT_TOKENS, promptTokensComputed: PROMPT_TOKENS, promptTokensReused: 0 },
        timing: { submittedMs: 0, prefillStartMs: 0, prefillEndMs: 0, firstTokenMs: 0, endMs: 0 },
      };
    };
    return {
      id: request.id,
      done: generate(),
      cancel(reason: CancelReason) {
        for (const index of tokens.keys()) if (!results.has(index)) end(index, reason);
      },
      start(samples) {
        started = Math.max(started, samples);
      },
    };
  }

  stats(): EngineStats {
    throw new Error("nobody asks");
  }

  async close(): Promise<void> {}
}
