// Requests of /health beside a load, as a probe sends them.
import { Distribution } from "../measures/distribution.ts";
import { pause } from "./pace.ts";
import type { ScenarioContext } from "./scenario.ts";

const HEALTH_EVERY_MS = 25;

/**
 * Requests /health every 25 ms until the signal, at least once. Each is measured from when it was due, so that a stalled
 * server is seen for as long as it stalls (no coordinated omission).
 */
export async function watchHealth(
  { client, results, signal }: ScenarioContext,
  ended: AbortSignal,
): Promise<Distribution> {
  const times = new Distribution();
  let failures = 0;
  const probe = async (dueMs: number): Promise<void> => {
    const status = await client.http.get("/health").then(
      (answer) => answer.status,
      () => null,
    );
    times.add(performance.now() - dueMs);
    if (status !== 200) failures++;
  };
  const startMs = performance.now();
  const until = AbortSignal.any([ended, signal]);
  const probes = [probe(startMs)];
  for (let dueMs = startMs + HEALTH_EVERY_MS; !until.aborted; ) {
    const waitMs = dueMs - performance.now();
    if (waitMs > 0) await pause(waitMs, until);
    else {
      probes.push(probe(dueMs));
      dueMs += HEALTH_EVERY_MS;
    }
  }
  await Promise.all(probes);
  results.expect("/health answered", failures === 0, `${failures} of ${times.count} failed`);
  return times;
}
