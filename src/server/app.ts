// The server as a Fastify app: hooks, routes, error responses, drain. Listening, log output and signals are the
// process's business (cli/serve.ts).
import Fastify, { type FastifyInstance, LogController } from "fastify";
import { serializerCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { type Clock, systemClock } from "../base/clock.ts";
import { MagdiError } from "../base/errors.ts";
import { DEFAULT_BUFFER_BYTES } from "../engine/memory-plan.ts";
import { type Baselines, loadBaselines } from "../voting/baselines.ts";
import { openApiKeys } from "./access/api-keys.ts";
import { initialCaller, installAuthentication } from "./access/authentication.ts";
import { installBrowserAccess } from "./access/browser-access.ts";
import { ANYBODY } from "./access/caller.ts";
import { addressMatcher } from "./access/client-network.ts";
import { connectionRoom, descriptorLimit } from "./access/connection-room.ts";
import { installHostCheck } from "./access/host-names.ts";
import { installRequestLimits, limitOptions } from "./access/http-limits.ts";
import { installRateLimit } from "./access/rate-limit.ts";
import type { ServingContext } from "./app-context.ts";
import { loadConfig, type ServerConfig } from "./config.ts";
import { debateRoute } from "./debate/debate-route.ts";
import type { DebateTeam } from "./debate/debate-team.ts";
import { type DebatesOptions, openDebates } from "./debate/open-debates.ts";
import { docsRoute, openApiRoute } from "./documentation/docs-route.ts";
import { indexRoute, playgroundRoute } from "./documentation/playground-route.ts";
import { collectRoutes } from "./documentation/route-list.ts";
import { frameworkErrorOptions, installErrorHandlers } from "./error-handler.ts";
import { logEngineChange, watchEngine } from "./observation/engine-watch.ts";
import { watchEventLoop } from "./observation/event-loop-delay.ts";
import { LimitWatch } from "./observation/limit-watch.ts";
import { type Logging, loggingOptions, logPrompt } from "./observation/log-privacy.ts";
import { Metrics } from "./observation/metrics.ts";
import { logBindings, parseTraceparent, RequestTrace, type Tracing } from "./observation/request-trace.ts";
import { chatCompletionsRoute } from "./openai/chat-route.ts";
import { completionsRoute } from "./openai/completions-route.ts";
import { modelsRoute } from "./openai/models-route.ts";
import { tokenizeRoute } from "./openai/tokenize-route.ts";
import { AnswerMemory } from "./operations/answer-memory.ts";
import { baselinesRoute } from "./operations/baselines-route.ts";
import { Lifecycle } from "./operations/lifecycle.ts";
import { metricsRoute } from "./operations/metrics-route.ts";
import { probesRoute } from "./operations/probes-route.ts";
import { reasonRoute } from "./reason/reason-route.ts";
import { voteRoute } from "./reason/vote-route.ts";
import { REASON_WEBSOCKET_PATH, reasonWebSocketRoute } from "./reason/websocket-route.ts";
import { type ServedStudent, tellFileCheck } from "./served-student.ts";
import { ByteBudget } from "./transport/byte-budget.ts";
import { HttpConnections, MAX_PIPELINED } from "./transport/http-connections.ts";
import { LoopTurns } from "./transport/loop-turns.ts";
import { compileValidator, installJsonBodies } from "./transport/request-body.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "./transport/request-headers.ts";
import { UnreadAnswers } from "./transport/unread-answers.ts";
import { installWebSockets, upgradableRequest } from "./transport/websocket-upgrades.ts";

export interface AppOptions {
  /** While a promise is pending, /ready and inference answer 503. If it rejects, the caller has to stop the process. */
  readonly student: ServedStudent | Promise<ServedStudent>;
  readonly config?: ServerConfig;
  readonly metrics?: Metrics;
  readonly baselines?: Baselines;
  readonly clock?: Clock;
  /** Where traces of inference requests go; closed with the app. */
  readonly tracing?: Tracing;
  /** The agents that debate; closed with the app. */
  readonly team?: DebateTeam;
  /** Milliseconds since 1970, for the days of budgets. */
  readonly wallMs?: () => number;
  /** Called when the engine has failed for good, at most half a second later. */
  readonly onEngineFailed?: () => void;
  /** Where log lines go, as JSON. Default: nowhere. */
  readonly logging?: Logging;
}

declare module "fastify" {
  interface FastifyInstance {
    readonly lifecycle: Lifecycle;
    /** See Lifecycle.drain. */
    drain(timeoutMs: number): Promise<void>;
  }
}

/** @throws MagdiError MAGDI_BAD_CONFIG, MAGDI_NOT_WRITTEN */
function debatesOf(
  { team, wallMs = Date.now }: AppOptions,
  parts: Omit<DebatesOptions, "team" | "wallMs">,
): Pick<ServingContext, "debates" | "shadow"> {
  if (team !== undefined) return openDebates({ ...parts, team, wallMs });
  if (parts.config.shadowShare === 0) return { debates: null, shadow: null };
  throw new MagdiError("MAGDI_BAD_CONFIG", "shadowShare: expected agents beside it, found none");
}

/**
 * The app. It owns its student: closing the app cancels what runs and closes the engine.
 *
 * @example
 * const app = buildApp({ student });
 * await app.listen({ port: 8080 });
 */
export function buildApp(options: AppOptions): FastifyInstance {
  const config = options.config ?? loadConfig();
  const clock = options.clock ?? systemClock;
  const lifecycle = new Lifecycle(clock);
  const metrics = options.metrics ?? new Metrics();
  const baselines = options.baselines ?? loadBaselines(config.baselines);
  const apiKeys = openApiKeys(config);
  metrics.traffic.initialiseKeys(apiKeys?.names ?? [ANYBODY]);
  const limits = limitOptions(config);
  const connections = new HttpConnections(clock);

  const app = Fastify({
    ...(options.logging === undefined ? {} : loggingOptions(options.logging, config.logPrompts)),
    ...limits,
    // The hook below logs one line a request, when its response is closed, in place of Fastify's two.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIdOf,
    routerOptions: { ignoreTrailingSlash: true },
    http: { ...limits.http, IncomingMessage: upgradableRequest([REASON_WEBSOCKET_PATH]) },
    forceCloseConnections: "idle",
    trustProxy: config.trustProxy.length === 0 ? false : [...config.trustProxy],
    ...frameworkErrorOptions,
    clientErrorHandler: connections.answerClientError,
  });
  const context: ServingContext = {
    ...{ lifecycle, metrics, baselines, clock, config },
    answers: new AnswerMemory(),
    ...debatesOf(options, { config, metrics: metrics.debates, clock, log: app.log }),
    tracing: options.tracing ?? null,
  };
  app.decorateRequest("caller", null as never); // the first onRequest hook sets both
  app.decorateRequest("trace", null as never);
  app.decorate("apiKeys", apiKeys);
  app.decorate("lifecycle", lifecycle);
  app.decorate("drain", (timeoutMs: number) => {
    context.shadow?.stop();
    return lifecycle.drain(timeoutMs);
  });
  app.setValidatorCompiler(compileValidator);
  app.setSerializerCompiler(serializerCompiler);
  const routes = collectRoutes(app);
  installErrorHandlers(app, metrics, routes);

  app.addHook("onRequest", async (request, reply) => {
    request.caller = initialCaller(apiKeys, request.ip);
    reply.header(REQUEST_ID_HEADER, request.id);
    const parent = parseTraceparent(request.headers.traceparent);
    const { url: route, config: kind } = request.routeOptions;
    const span =
      kind.inference && route !== undefined
        ? (context.tracing?.start({ method: request.method, route }, parent) ?? null)
        : null;
    request.trace = new RequestTrace(span, parent);
    if (request.trace.context !== null) {
      request.log = request.log.child(logBindings(request.trace.context));
      reply.log = request.log;
    }
    if (lifecycle.draining) reply.header("connection", "close");
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

  const reached = new LimitWatch(metrics.traffic, app.log, clock);
  const room = connectionRoom(config.maxConnections, descriptorLimit());
  if (room.connections < config.maxConnections) {
    app.log.warn(
      { connections: room.connections, maxConnections: config.maxConnections },
      "the limit of open files leaves room for fewer connections than maxConnections: raise it (ulimit -n)",
    );
  }
  const ofOneClient = (all: number) => Math.max(1, Math.floor(all * config.clientShare));
  // Until the student is loaded it is not known how much memory there is.
  const answerBounds = (planned = DEFAULT_BUFFER_BYTES) => {
    const totalBytes = config.answerBufferBytes ?? planned;
    return { totalBytes, perClientBytes: ofOneClient(totalBytes) };
  };
  const bodyBounds = (planned = DEFAULT_BUFFER_BYTES) => {
    const totalBytes = config.bodyBufferBytes ?? planned;
    // A body of the largest size is taken, whatever else the settings say.
    const least = 2 * config.bodyLimitBytes;
    return {
      totalBytes: Math.max(totalBytes, least),
      perClientBytes: Math.max(ofOneClient(totalBytes), least),
    };
  };
  const unread = new UnreadAnswers({
    clock,
    limits: reached,
    timeoutMs: config.writeTimeoutMs,
    bounds: answerBounds(),
  });
  const bodyBudget = new ByteBudget({ clock, ...bodyBounds() });

  // Hooks run in this order.
  connections.watch(app, {
    limits: reached,
    room,
    perClient: ofOneClient(room.connections),
    pipelinedPerClient: ofOneClient(MAX_PIPELINED),
    unread,
    isProxy: addressMatcher(config.trustProxy),
  });
  installRequestLimits(app, config);
  installJsonBodies(app, { limitBytes: config.bodyLimitBytes, budget: bodyBudget, limits: reached });
  const turns = new LoopTurns();
  app.addHook("preParsing", async (request, reply, payload) => {
    if (request.method !== "POST") return payload;
    const { socket } = request.raw;
    const isThere = await turns.take(request.caller.account, () => socket.destroyed);
    if (!isThere) reply.hijack(); // nobody is there to read an answer
    return payload;
  });
  installHostCheck(app, config);
  installBrowserAccess(app, config.corsOrigins);
  app.after(() => {
    installAuthentication(app);
    installRateLimit(app, config.requestsPerMinute, clock);
  });
  if (config.logPrompts) {
    app.addHook("preHandler", async (request) => {
      const { inference, debate } = request.routeOptions.config;
      if (inference || debate) logPrompt(request.log, request.body);
    });
  }
  const sockets = installWebSockets(app, {
    clock,
    limits: reached,
    maxFrameBytes: config.bodyLimitBytes,
    total: config.maxWebSockets,
    perClient: ofOneClient(config.maxWebSockets),
  });
  metrics.traffic.readHoldings({
    connections: () => connections.size,
    webSockets: () => sockets.size,
    bodyBytes: () => bodyBudget.heldBytes,
    unreadBytes: () => unread.totalBytes,
  });

  const typed = app.withTypeProvider<ZodTypeProvider>();
  const routeOptions = { context, routes, sockets, bodyBudget, turns, limits: reached };
  for (const route of [
    indexRoute,
    playgroundRoute,
    probesRoute,
    metricsRoute,
    modelsRoute,
    reasonRoute,
    voteRoute,
    debateRoute,
    chatCompletionsRoute,
    completionsRoute,
    tokenizeRoute,
    baselinesRoute,
    docsRoute,
    openApiRoute,
    reasonWebSocketRoute,
  ]) {
    typed.register(route, routeOptions);
  }

  let closed = false;
  const stopWatching: (() => void)[] = [];
  Promise.resolve(options.student).then(
    (student) => {
      if (closed) return student.engine.close();
      metrics.serve(student.id, () => student.engine.stats());
      if (student.memory !== undefined) {
        metrics.engine.showMemory(student.memory);
        const { answers, bodies, unread_answers } = student.memory.bytes;
        context.answers.bound(answers);
        bodyBudget.bound(bodyBounds(bodies));
        unread.bound(answerBounds(unread_answers));
      }
      lifecycle.studentLoaded(student);
      tellFileCheck(app.log, student);
      const state = () => student.engine.stats().state;
      stopWatching.push(
        watchEngine(clock, state, (change) => {
          metrics.engine.countChange(change.to);
          if (lifecycle.filesAltered) return; // logged below; a restart would not help
          logEngineChange(app.log, change);
          if (change.to === "failed") options.onEngineFailed?.();
        }),
      );
    },
    () => {}, // the promise's owner handles the rejection
  );
  app.addHook("onReady", async () => {
    stopWatching.push(watchEventLoop(clock, (seconds) => metrics.observeLoopDelay(seconds)));
  });
  app.addHook("preClose", async () => {
    await app.drain(0);
    stopWatching.push(connections.closeIdle());
  });
  app.addHook("onClose", async () => {
    for (const stop of stopWatching) stop();
    closed = true;
    await lifecycle.student?.engine.close();
    await options.tracing?.close();
    await context.shadow?.close();
    await options.team?.close();
  });
  return app;
}
