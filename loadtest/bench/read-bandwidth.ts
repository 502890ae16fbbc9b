// How fast this machine reads memory: workers that compare buffers far larger than any cache. It knows no model.
import { Worker } from "node:worker_threads";

const BUFFER_BYTES = 256 * 1024 * 1024;
const ROUNDS = 4;

const compare = (bytes: number) => `
const { parentPort } = require("node:worker_threads");
const a = Buffer.alloc(${bytes}, 1), b = Buffer.alloc(${bytes}, 1);
parentPort.on("message", () => {
  const startMs = performance.timeOrigin + performance.now();
  for (let round = 0; round < ${ROUNDS}; round++) if (a.compare(b) !== 0) throw new Error("equal buffers differ");
  parentPort.postMessage({ startMs, endMs: performance.timeOrigin + performance.now() });
});
parentPort.postMessage(null);
`;

interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** Bytes a second that `threads` threads read together: the best of three rounds. */
export async function readBandwidth(threads: number, bufferBytes = BUFFER_BYTES): Promise<number> {
  const workers = Array.from({ length: threads }, () => new Worker(compare(bufferBytes), { eval: true }));
  const next = (worker: Worker) =>
    new Promise<Span>((resolve, reject) => worker.once("message", resolve).once("error", reject));
  try {
    await Promise.all(workers.map(next)); // their buffers are filled
    let best = 0;
    for (let round = 0; round < 3; round++) {
      const spans = workers.map(next);
      for (const worker of workers) worker.postMessage(null);
      const done = await Promise.all(spans);
      const elapsedMs =
        Math.max(...done.map(({ endMs }) => endMs)) - Math.min(...done.map(({ startMs }) => startMs));
      best = Math.max(best, (1000 * threads * ROUNDS * 2 * bufferBytes) / elapsedMs);
    }
    return best;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
