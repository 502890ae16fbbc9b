// Requests with whole answers through autocannon, over a number of connections in a closed loop.
import autocannon from "autocannon";
import { answered, type Exchange, failed, rejected } from "../requests/exchange.ts";
import type { Order } from "../requests/order.ts";
import { readWhole } from "./answer-reader.ts";
import { headersOf, type Target } from "./target.ts";

/** How often autocannon checks whether it is done. */
const LOOK_MS = 50;

export interface WholeLoad {
  readonly target: Target;
  /** All of one path and kind. */
  readonly next: () => Order;
  readonly requests: number;
  readonly connections: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly onExchange: (exchange: Exchange) => void;
}

/** Resolves when all requests are answered, or soon after the signal. */
export async function runWholeLoad(load: WholeLoad): Promise<void> {
  const { target, requests } = load;
  if (requests === 0 || load.signal.aborted) return;
  const sample = load.next(); // autocannon asks for the first request of each connection too: this one is not sent
  let judge: ((measured: { latencyMs: number }) => Exchange) | null = null;
  const instance = autocannon({
    url: target.url,
    connections: Math.min(load.connections, requests),
    amount: requests,
    timeout: Math.ceil(load.timeoutMs / 1000),
    sampleInt: LOOK_MS,
    requests: [
      {
        method: "POST",
        path: sample.path,
        headers: headersOf(target),
        setupRequest: (request) => ({ ...request, body: JSON.stringify(load.next().body) }),
        onResponse(status, body, _context, headers) {
          judge = (measured) => judged(sample, status, body, headers, measured);
        },
      },
    ],
  });
  // autocannon emits the body and, right after it, the time that it took.
  instance.on("response", (_client: unknown, _status: number, _bytes: number, latencyMs: number) => {
    if (judge !== null) load.onExchange(judge({ latencyMs }));
    judge = null;
  });
  instance.on("reqError", (error: Error) =>
    load.onExchange(failed(sample, error.message.slice(0, 100), { latencyMs: load.timeoutMs })),
  );
  const stop = () => instance.stop();
  load.signal.addEventListener("abort", stop, { once: true });
  await instance;
  load.signal.removeEventListener("abort", stop);
}

function judged(
  order: Order,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>>,
  measured: { latencyMs: number },
): Exchange {
  if (status !== 200) return rejected(order, status, body, retryAfterOf(headers), measured);
  try {
    return answered(order, readWhole(order.kind, body), measured);
  } catch {
    return failed(order, "an answer of the wrong shape", measured);
  }
}

function retryAfterOf(headers: Readonly<Record<string, string>>): string | undefined {
  return Object.entries(headers).find(([name]) => name.toLowerCase() === "retry-after")?.[1];
}
