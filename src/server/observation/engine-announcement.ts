// Says in the log what becomes of the engine: stalled, going on again, failed. It knows no requests.
import type { FastifyBaseLogger } from "fastify";
import type { EngineChange } from "./engine-watch.ts";

export function announceEngineChange(log: FastifyBaseLogger, { from, to, lastedMs }: EngineChange): void {
  const seconds = (lastedMs / 1000).toFixed(1);
  const fields = { engine: to, before: from };
  if (to === "failed") {
    log.fatal(fields, "the engine has failed and can serve no more: restart the process");
  } else if (to === "stalled") {
    log.error(fields, "the engine is stalled: a step of the model does not return; not ready, not healthy");
  } else if (to === "ready") {
    log.warn(fields, `the engine goes on: the step returned after it was stalled for ${seconds} s`);
  }
}
