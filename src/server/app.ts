// The server as a Fastify app: plugins, routes, errors, and the way to drain it. It knows no process: who listens,
// logs and handles signals is somebody else.
import Fastify, { type FastifyInstance, LogController } from "fastify";
import { serializerCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { type Clock, systemClock } from "../base/clock.ts";
import { type Baselines, loadBaselines } from "../voting/baselines.ts";
import { openApiKeys } from "./access/api-keys.ts";
import { initialCaller, installAuthentication } from "./access/authentication.ts";
import { installBrowserAccess } from "./access/browser-access.ts";
import { ANYBODY } from "./access/caller.ts";
import { installRateLimit } from "./access/rate-limit.ts";
import { boundedServer, installBounds } from "./access/request-bounds.ts";
import { answerErrors } from "./answer-errors.ts";
import { loadConfig, type ServerConfig } from "./config.ts";
import { docsRoute } from "./documentation/docs-route.ts";
import { openApiRoute } from "./documentation/openapi-route.ts";
import { indexRoute, playgroundRoute } from "./documentation/playground-route.ts";
import { collectRoutes, listEndpoints } from "./documentation/route-list.ts";
import { announceEngineChange, watchEngine } from "./observation/engine-watch.ts";
import { watchEventLoop } from "./observation/event-loop-delay.ts";
import { type Logging, logPrompt, privateLogging } from "./observation/log-privacy.ts";
import { Metrics } from "./observation/metrics.ts";
import { RequestTrace, type Tracing } from "./observation/request-trace.ts";
import { logBindings, parseTraceparent } from "./observation/trace-context.ts";
import { chatCompletionsRoute } from "./openai/chat-route.ts";
import { modelsRoute } from "./openai/models-route.ts";
import { completionsRoute } from "./openai/text-route.ts";
import { tokenizeRoute } from "./openai/tokenize-route.ts";
import { Admission } from "./operations/admission.ts";
import { baselinesRoute } from "./operations/baselines-route.ts";
import { metricsRoute } from "./operations/metrics-route.ts";
import { probesRoute } from "./operations/probes.ts";
import { reasonRoute } from "./reason/route.ts";
import { REASON_SOCKET_PATH, reasonSocketRoute } from "./reason/socket.ts";
import { voteRoute } from "./reason/vote-route.ts";
import type { ServedStudent } from "./served-student.ts";
import type { ServingContext } from "./serving-context.ts";
import { HttpConnections } from "./transport/http-connections.ts";
import { compileValidator, installJsonBodies } from "./transport/request-body.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "./transport/request-id.ts";
import { installSockets, upgradableRequest } from "./transport/socket-upgrades.ts";

export interface AppOptions {
  /** While a promise is pending, /ready and inference answer 503. Who rejects it must stop the process. */
  readonly student: ServedStudent | Promise<ServedStudent>;
  readonly config?: ServerConfig;
  readonly metrics?: Metrics;
  readonly baselines?: Baselines;
  readonly clock?: Clock;
  /** Collects traces of inference requests; it is closed with the app. */
  readonly tracing?: Tracing;
  /** Called once the engine has failed for good, half a second later at most. */
  readonly onEngineFailed?: () => void;
  /** Where log lines go, as JSON; without it nothing is logged. */
  readonly logging?: Logging;
}

declare module "fastify" {
  interface FastifyInstance {
    readonly admission: Admission;
    /** Takes no new work; resolves when what runs has finished, or was ended after `timeoutMs`; see Admission. */
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
    isolatePrefixes: config.isolatePrefixes,
    tracing: options.tracing ?? null,
  };
  const { admission, metrics } = context;
  const apiKeys = openApiKeys(config);
  metrics.traffic.nameKeys(apiKeys?.names ?? [ANYBODY.name]);
  const bounds = boundedServer(config);
  const connections = new HttpConnections(clock);

  const app = Fastify({
    ...(options.logging === undefined ? {} : privateLogging(options.logging, config.logPrompts)),
    ...bounds,
    // One line a request, written when its response is closed, says what the two of Fastify's would.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIdOf,
    http: { ...bounds.http, IncomingMessage: upgradableRequest([REASON_SOCKET_PATH]) },
    forceCloseConnections: "idle",
    trustProxy: config.trustProxy.length === 0 ? false : [...config.trustProxy],
    ...answerErrors.serverOptions,
    clientErrorHandler: connections.answerBroken,
  });
  app.decorateRequest("caller", null as never); // set for every request by the hook below
  app.decorateRequest("trace", null as never); // and this
  app.decorate("apiKeys", apiKeys);
  app.decorate("admission", admission);
  app.decorate("drain", (timeoutMs: number) => admission.drain(timeoutMs));
  app.setValidatorCompiler(compileValidator);
  app.setSerializerCompiler(serializerCompiler);
  installJsonBodies(app);
  const routes = collectRoutes(app);
  answerErrors.install(app, metrics, routes);

  app.addHook("onRequest", async (request, reply) => {
    request.caller = initialCaller(apiKeys);
    reply.header(REQUEST_ID_HEADER, request.id);
    const parent = parseTraceparent(request.headers.traceparent);
    const { url: route, config: kind } = request.routeOptions;
    const span =
      kind.inference && route !== undefined
        ? (context.tracing?.start({ method: request.method, route }, parent) ?? null)
        : null;
    request.trace = new RequestTrace(span, parent);
    if (request.trace.place !== null) {
      request.log = request.log.child(logBindings(request.trace.place));
      reply.log = request.log;
    }
    if (admission.draining) reply.header("connection", "close");
    const startMs = clock.nowMs();
    reply.raw.once("close", () => {
      const { method, routeOptions, caller } = request;
      const { statusCode, writableFinished } = reply.raw;
      const ms = Math.round(clock.nowMs() - startMs);
      metrics.traffic.countResponse(routeOptions.url, statusCode, writableFinished);
      request.trace.close(statusCode, writableFinished);
      request.log.info(
        { method, route: routeOptions.url, statusCode, ms, caller: caller.name, finished: writableFinished },
        "request",
      );
    });
  });

  // In the order in which a request meets them.
  connections.watch(app);
  installBounds(app, config);
  installBrowserAccess(app, config.corsOrigins);
  app.after(() => {
    installAuthentication(app);
    installRateLimit(app, config.requestsPerMinute, clock);
  });
  if (config.logPrompts) {
    app.addHook("preHandler", async (request) => {
      if (request.routeOptions.config.inference) logPrompt(request.log, request.body);
    });
  }
  const sockets = installSockets(app, config.bodyLimitBytes);

  const typed = app.withTypeProvider<ZodTypeProvider>();
  const routeOptions = { context, config, endpoints: listEndpoints(app) };
  for (const route of [
    indexRoute,
    playgroundRoute,
    probesRoute,
    metricsRoute,
    modelsRoute,
    reasonRoute,
    voteRoute,
    chatCompletionsRoute,
    completionsRoute,
    tokenizeRoute,
    baselinesRoute,
    docsRoute,
  ]) {
    typed.register(route, routeOptions);
  }
  typed.register(openApiRoute, { ...routeOptions, routes });
  typed.register(reasonSocketRoute, { ...routeOptions, sockets });

  let closed = false;
  const stopWatching: (() => void)[] = [];
  Promise.resolve(options.student).then(
    (student) => {
      if (closed) return student.engine.close();
      metrics.serve(student.id, () => student.engine.stats());
      admission.open(student);
      const state = () => student.engine.stats().state;
      stopWatching.push(
        watchEngine(clock, state, (change) => {
          metrics.engine.countChange(change.to);
          announceEngineChange(app.log, change);
          if (change.to === "failed") options.onEngineFailed?.();
        }),
      );
    },
    () => {}, // the owner of the promise hears of it
  );
  app.addHook("onReady", async () => {
    stopWatching.push(watchEventLoop(clock, (seconds) => metrics.observeLoopDelay(seconds)));
  });
  app.addHook("preClose", async () => {
    await admission.drain(0);
    stopWatching.push(connections.cutUnanswered());
  });
  app.addHook("onClose", async () => {
    for (const stop of stopWatching) stop();
    closed = true;
    await admission.student?.engine.close();
    await options.tracing?.close();
  });
  return app;
}
