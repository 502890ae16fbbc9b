// Tokens a second through HTTP beside the engine alone, on the same student, prompts and lengths: in turns, so that the
// machine's moods meet both.
import type { SamplingParams } from "../../src/engine/request.ts";
import { usableProcessors } from "../../src/runtime/usable-processors.ts";
import { median } from "../measures/distribution.ts";
import type { LoadGroup } from "../measures/load-group.ts";
import type { Order } from "../requests/order.ts";
import type { BareEngine, Scenario, ScenarioContext } from "./scenario.ts";

const RATIO_LIMIT = 0.95;
const CASES = [
  { kind: "completion", how: "whole answers", concurrent: 1, maxTokens: 128 },
  { kind: "completion-stream", how: "streams", concurrent: 1, maxTokens: 128 },
  { kind: "completion", how: "whole answers", concurrent: 16, maxTokens: 64 },
  { kind: "completion-stream", how: "streams", concurrent: 16, maxTokens: 64 },
] as const;
type Case = (typeof CASES)[number];

export const throughput: Scenario = {
  name: "throughput",
  summary:
    "tokens a second through HTTP over the engine's own, whole and streamed, at 1 and 16 requests, in turns",
  serverFlags: [],
  ownServer: true,
  timed: false,
  // Requests are the rounds of each case.
  defaults: { connections: 16, requests: 7, seconds: null },
  mayRefuse: false,
  comparesCounters: true,
  async run(context) {
    const { openEngine, results, say, amounts, signal } = context;
    say(`the engine in this process, ${usableProcessors()} threads; the server idles in the meantime`);
    const bare = await openEngine();
    try {
      for (const each of CASES) {
        const ratios: number[] = [];
        const alone: number[] = [];
        const served: number[] = [];
        const label = `${each.how}, ${each.concurrent} at once`;
        const group = results.group(`HTTP, ${label}`);
        for (let round = -1; round < amounts.requests && !signal.aborted; round++) {
          const orders = ordersOf(context, each);
          // Every other round the other one goes first; the first round of all warms up.
          const engineFirst = round % 2 === 0;
          const before = engineFirst ? await engineRate(bare, orders) : 0;
          const http = await httpRate(context, group, orders, each);
          const engine = engineFirst ? before : await engineRate(bare, orders);
          if (round < 0) continue;
          alone.push(engine);
          served.push(http);
          ratios.push(http / engine);
        }
        results.figure(`engine alone, ${label}`, median(alone), "tokens/s");
        results.figure(`through HTTP, ${label}`, median(served), "tokens/s");
        const ratio = ratios.length === 0 ? null : median(ratios);
        results.target(`HTTP over engine, ${label}, median of rounds`, ratio, "", {
          atLeast: RATIO_LIMIT,
        });
      }
    } finally {
      await bare.close();
    }
  },
};

function ordersOf({ workload }: ScenarioContext, { kind, concurrent, maxTokens }: Case): Order[] {
  return Array.from({ length: concurrent }, () => workload.next(kind, { maxTokens, ignoreEos: true }));
}

async function httpRate(
  { client, results }: ScenarioContext,
  group: LoadGroup,
  orders: readonly Order[],
  { maxTokens }: Case,
): Promise<number> {
  const startMs = performance.now();
  let answered = 0;
  await Promise.all(
    orders.map(async (order) => {
      const exchange = await client.perform(order);
      if (exchange.outcome === "answered") answered++;
      results.record(group, exchange);
    }),
  );
  return (1000 * answered * maxTokens) / (performance.now() - startMs);
}

async function engineRate({ engine, encode }: BareEngine, orders: readonly Order[]): Promise<number> {
  const startMs = performance.now();
  const results = await Promise.all(
    orders.map(
      ({ body }, index) =>
        engine.submit({
          id: `alone-${index}`,
          promptTokens: encode(String(body.prompt)),
          samples: 1,
          sampling: samplingOf(Number(body.max_tokens), Number(body.seed)),
          queueTimeoutMs: 60_000,
          timeoutMs: 600_000,
        }).done,
    ),
  );
  const seconds = (performance.now() - startMs) / 1000;
  const tokens = results
    .flatMap(({ samples }) => samples)
    .reduce((sum, { tokenIds }) => sum + tokenIds.length, 0);
  return tokens / seconds;
}

/** What the orders ask of the server. */
function samplingOf(maxTokens: number, seed: number): SamplingParams {
  return {
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    maxTokens,
    minTokens: 0,
    ignoreEos: true,
    stop: [],
    seed,
    topLogprobs: null,
    logitBias: new Map(),
  };
}
