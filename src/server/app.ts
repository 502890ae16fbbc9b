// The server as a Fastify app: plugins, routes, errors, and the way to drain it. It knows no process: who listens,
// logs and handles signals is somebody else.
import Fastify, { type FastifyInstance, LogController } from "fastify";
import { serializerCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { type Clock, systemClock } from "../engine/clock.ts";
import { type Baselines, loadBaselines } from "../reasoning/baselines.ts";
import { Admission } from "./access/admission.ts";
import { ANYBODY } from "./access/caller.ts";
import type { ServingContext } from "./answering/generation-run.ts";
import { loadConfig, type ServerConfig } from "./config.ts";
import { answerErrors } from "./errors/answer-errors.ts";
import { watchEventLoop } from "./observation/event-loop-delay.ts";
import { Metrics } from "./observation/metrics.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "./observation/request-id.ts";
import { chatCompletionsRoute } from "./routes/chat-completions.ts";
import { completionsRoute } from "./routes/completions.ts";
import { indexRoute } from "./routes/index-page.ts";
import { metricsRoute } from "./routes/metrics.ts";
import { modelsRoute } from "./routes/models.ts";
import { probesRoute } from "./routes/probes.ts";
import { reasonRoute } from "./routes/reason.ts";
import { compileValidator } from "./schemas/request-validation.ts";
import type { ServedStudent } from "./served-student.ts";

interface Logging {
  readonly level: string;
  readonly stream: { write(line: string): void };
}

export interface AppOptions {
  /** While a promise is pending, /ready and inference answer 503. Who rejects it must stop the process. */
  readonly student: ServedStudent | Promise<ServedStudent>;
  readonly config?: ServerConfig;
  readonly metrics?: Metrics;
  readonly baselines?: Baselines;
  readonly clock?: Clock;
  /** Where log lines go, as JSON; without it nothing is logged. */
  readonly logging?: Logging;
}

declare module "fastify" {
  interface FastifyInstance {
    readonly admission: Admission;
    /** Takes no new work; resolves when what runs has finished, or was ended after `timeoutMs`. */
    drain(timeoutMs: number): Promise<void>;
  }
}

/**
 * The app, which owns its student from now on: closing it ends what runs and closes the engine.
 *
 * @example
 * const app = buildApp({ student });
 * await app.listen({ port: 8080 });
 */
export function buildApp(options: AppOptions): FastifyInstance {
  const config = options.config ?? loadConfig();
  const clock = options.clock ?? systemClock;
  const context: ServingContext = {
    admission: new Admission(clock),
    metrics: options.metrics ?? new Metrics(),
    baselines: options.baselines ?? loadBaselines(config.baselines),
    clock,
    queueTimeoutMs: config.queueTimeoutMs,
    requestTimeoutMs: config.requestTimeoutMs,
    adaptiveThreshold: config.adaptiveThreshold,
  };
  const { admission, metrics } = context;

  const app = Fastify({
    ...(options.logging === undefined ? {} : { logger: options.logging }),
    // One line a request, written when its response is closed, says what the two of Fastify's would.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: config.bodyLimitBytes,
    genReqId: requestIdOf,
    forceCloseConnections: "idle",
    ...answerErrors.serverOptions,
  });
  app.decorateRequest("caller", null as never); // set for every request by the hook below
  app.decorate("admission", admission);
  app.decorate("drain", (timeoutMs: number) => admission.drain(timeoutMs));
  app.setValidatorCompiler(compileValidator);
  app.setSerializerCompiler(serializerCompiler);
  // Everything is JSON: a form or plain text is answered 415 rather than misread.
  app.removeContentTypeParser("text/plain");
  answerErrors.install(app, metrics);

  app.addHook("onRequest", async (request, reply) => {
    request.caller = ANYBODY;
    reply.header(REQUEST_ID_HEADER, request.id);
    if (admission.draining) reply.header("connection", "close");
    const startMs = clock.nowMs();
    reply.raw.once("close", () => {
      const { method, routeOptions } = request;
      const { statusCode, writableFinished } = reply.raw;
      const ms = Math.round(clock.nowMs() - startMs);
      request.log.info(
        { method, route: routeOptions.url, statusCode, ms, finished: writableFinished },
        "request",
      );
    });
  });

  const typed = app.withTypeProvider<ZodTypeProvider>();
  const routeOptions = { context, config };
  for (const route of [
    indexRoute,
    probesRoute,
    metricsRoute,
    modelsRoute,
    reasonRoute,
    chatCompletionsRoute,
    completionsRoute,
  ]) {
    typed.register(route, routeOptions);
  }

  let closed = false;
  Promise.resolve(options.student).then(
    (student) => {
      if (closed) return student.engine.close();
      metrics.serve(student.id, () => student.engine.stats());
      admission.open(student);
    },
    () => {}, // the owner of the promise hears of it
  );
  let stopWatching = () => {};
  app.addHook("onReady", async () => {
    stopWatching = watchEventLoop(clock, (seconds) => metrics.observeLoopDelay(seconds));
  });
  app.addHook("preClose", () => admission.drain(0));
  app.addHook("onClose", async () => {
    stopWatching();
    closed = true;
    await admission.student?.engine.close();
  });
  return app;
}
