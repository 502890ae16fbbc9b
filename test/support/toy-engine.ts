// An engine over the history model, with what tests say of requests and hear of them.

import assert from "node:assert/strict";
import { Engine, type EngineOptions } from "../../src/engine/engine.ts";
import type {
  Generation,
  GenerationListener,
  GenerationRequest,
  SampleResult,
  SamplingParams,
  TokenEvent,
} from "../../src/engine/request.ts";
import { type HistoryModelOptions, HistoryModelRunner } from "./history-model-runner.ts";
import { ManualClock } from "./manual-clock.ts";
import { TOY_ENDS, toyTokenizer } from "./toy-tokenizer.ts";

export const toyTokens = toyTokenizer();

export interface ToyEngine {
  readonly engine: Engine;
  readonly runner: HistoryModelRunner;
  readonly clock: ManualClock;
}

/** Without `endEvery` samples run to their maxTokens. */
export function toyEngine(
  model: Partial<HistoryModelOptions> = {},
  options: Partial<EngineOptions> = {},
): ToyEngine {
  const runner = new HistoryModelRunner({ vocabSize: toyTokens.vocabSize, endTokens: TOY_ENDS, ...model });
  const clock = new ManualClock();
  const engine = new Engine({
    runner,
    tokenizer: toyTokens,
    eosTokenIds: new Set(TOY_ENDS),
    clock,
    onListenerError: (error) => {
      throw error;
    },
    ...options,
  });
  return { engine, runner, clock };
}

export const GREEDY: SamplingParams = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  maxTokens: 8,
  minTokens: 0,
  ignoreEos: false,
  stop: [],
  seed: 1,
  topLogprobs: null,
  logitBias: new Map(),
};

export const SAMPLED: SamplingParams = { ...GREEDY, temperature: 1, topK: 8 };

export function toyRequest(
  fields: Partial<Omit<GenerationRequest, "sampling">> & { readonly sampling?: Partial<SamplingParams> } = {},
): GenerationRequest {
  const { sampling, ...rest } = fields;
  return {
    id: "request",
    promptTokens: Int32Array.of(5, 6, 7),
    samples: 1,
    queueTimeoutMs: Number.POSITIVE_INFINITY,
    timeoutMs: Number.POSITIVE_INFINITY,
    sampling: { ...((rest.samples ?? 1) > 1 ? SAMPLED : GREEDY), ...sampling },
    ...rest,
  };
}

/** Hears everything of one request, and checks what holds for every stream. */
export class Ear implements GenerationListener {
  readonly events: TokenEvent[] = [];
  readonly ended: SampleResult[] = [];
  prefillStarts = 0;

  onPrefillStart(): void {
    this.prefillStarts++;
  }

  onToken(event: TokenEvent): void {
    assert.ok(!this.ended.some((result) => result.index === event.sample), "no token after a sample's end");
    this.events.push(event);
  }

  onSampleEnd(result: SampleResult): void {
    assert.ok(!this.ended.some((other) => other.index === result.index), "a sample ends once");
    const events = this.events.filter((event) => event.sample === result.index);
    assert.equal(events.map((event) => event.text).join("") + result.tail, result.text);
    assert.deepEqual(
      events.map((event) => event.tokenId),
      result.tokenIds,
    );
    assert.equal(
      events.reduce((sum, event) => sum + event.logprob, 0),
      result.logprobSum,
    );
    this.ended.push(result);
  }
}

/** Submits a request whose samples start in waves: the next one when all of those before have ended. */
export function inWaves(
  engine: Engine,
  request: GenerationRequest,
  wave: number,
  ear: Ear = new Ear(),
): Generation {
  let started = Math.min(wave, request.samples);
  const generation = engine.submit(
    { ...request, startSamples: started },
    {
      onPrefillStart: () => ear.onPrefillStart(),
      onToken: (event) => ear.onToken(event),
      onSampleEnd(result) {
        ear.onSampleEnd(result);
        // A later sample may have been cancelled already.
        while (
          started < request.samples &&
          ear.ended.filter(({ index }) => index < started).length === started
        ) {
          started = Math.min(request.samples, started + wave);
        }
        generation.start(started);
      },
    },
  );
  return generation;
}

/** The samples of a request that has an engine for itself. */
export async function alone(
  request: GenerationRequest,
  model: Partial<HistoryModelOptions> = {},
): Promise<readonly SampleResult[]> {
  const { engine } = toyEngine({ maxRows: 8, ...model, checksDrafts: false });
  const infinite = { queueTimeoutMs: Number.POSITIVE_INFINITY, timeoutMs: Number.POSITIVE_INFINITY };
  const { samples } = await engine.submit({ ...request, ...infinite }, new Ear()).done;
  await engine.close();
  return samples;
}

/** The error that a generation was rejected with. */
export async function rejection(generation: Generation): Promise<unknown> {
  return generation.done.then(
    () => assert.fail("expected a rejection"),
    (error: unknown) => error,
  );
}
