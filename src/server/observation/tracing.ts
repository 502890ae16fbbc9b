// OpenTelemetry traces: a span for each inference request with the gen_ai conventions, exported over OTLP/HTTP. Import
// it only if a collector is set: the libraries are slow to load.

import { ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import {
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_HTTP_ROUTE,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_VERSION,
} from "@opentelemetry/semantic-conventions";
import type { Clock } from "../../base/clock.ts";
import { packageVersion } from "../../base/package-files.ts";
import type { GenerationTiming } from "../../engine/request.ts";
import type { InferenceEnd, InferenceStart, RequestSpan, Tracing } from "./request-trace.ts";
import { LossReportingExporter } from "./span-exporter.ts";

const NAME = "magdi";
const TRACES_PATH = "/v1/traces";
const EXPORT_TIMEOUT_MS = 5000;
/** How long closing waits for the last export. */
const CLOSE_TIMEOUT_MS = 3000;

export interface TracingOptions {
  /** The collector's address; /v1/traces is appended unless it ends with it. */
  readonly endpoint: string;
  /** The clock that the engine's timings were read from. */
  readonly clock: Clock;
  /** Called when exports fail, at most every five minutes, and when they work again. */
  readonly onExportProblem: (message: string, error: Error | null) => void;
}

export function openTracing({ endpoint, clock, onExportProblem }: TracingOptions): Tracing {
  const base = endpoint.replace(/\/+$/, "");
  const exporter = new OTLPTraceExporter({
    url: base.endsWith(TRACES_PATH) ? base : base + TRACES_PATH,
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: NAME,
    [ATTR_SERVICE_VERSION]: packageVersion(),
  });
  const provider = new NodeTracerProvider({
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override our attributes.
    resource: resource.merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new LossReportingExporter(exporter, clock, onExportProblem))],
  });
  const tracer = provider.getTracer(NAME, packageVersion());
  /** The engine's clock is monotonic, with an arbitrary zero. */
  const epochMs = (readingMs: number) => Date.now() - (clock.nowMs() - readingMs);

  return {
    start({ method, route }, parent) {
      const flags = parent?.sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
      const context =
        parent === null
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, {
              traceId: parent.traceId,
              spanId: parent.spanId,
              traceFlags: flags,
              isRemote: true,
            });
      const span = tracer.startSpan(
        `${method} ${route}`,
        {
          kind: SpanKind.SERVER,
          attributes: { [ATTR_HTTP_REQUEST_METHOD]: method, [ATTR_HTTP_ROUTE]: route },
        },
        context,
      );
      const inSpan = trace.setSpan(context, span);
      const phase = (name: string, fromMs: number, toMs: number) =>
        tracer
          .startSpan(name, { kind: SpanKind.INTERNAL, startTime: epochMs(fromMs) }, inSpan)
          .end(epochMs(toMs));
      return spanOf(span, (timing) => addPhases(timing, phase));
    },
    async close() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      });
      await Promise.race([provider.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
    },
  };
}

function spanOf(span: Span, addTiming: (timing: GenerationTiming) => void): RequestSpan {
  const { traceId, spanId, traceFlags } = span.spanContext();
  let failed = false;
  return {
    context: { traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 },
    started: (start) => span.setAttributes(startAttributes(start)),
    ended(end) {
      span.setAttributes(endAttributes(end));
      for (const timing of end.timings) addTiming(timing);
    },
    failed(reason, message, isServersFault) {
      if (failed) return;
      failed = true;
      span.setAttribute(ATTR_ERROR_TYPE, reason);
      // By the HTTP conventions a 4xx is not an error of the server's span.
      if (isServersFault) span.setStatus({ code: SpanStatusCode.ERROR, message });
    },
    close(status) {
      if (status !== null) span.setAttribute(ATTR_HTTP_RESPONSE_STATUS_CODE, status);
      span.end();
    },
  };
}

function addPhases(
  { submittedMs, prefillStartMs, prefillEndMs, endMs }: GenerationTiming,
  phase: (name: string, fromMs: number, toMs: number) => void,
): void {
  phase("queue", submittedMs, prefillStartMs ?? endMs);
  if (prefillStartMs !== null) phase("prefill", prefillStartMs, prefillEndMs ?? endMs);
  if (prefillEndMs !== null) phase("decode", prefillEndMs, endMs);
}

function startAttributes({ operation, model, caller, samples, sampling, streamed, task }: InferenceStart) {
  return {
    [GEN_AI.operationName]: operation,
    [GEN_AI.providerName]: NAME,
    [GEN_AI.requestModel]: model,
    [GEN_AI.requestChoiceCount]: samples,
    [GEN_AI.requestTemperature]: sampling.temperature,
    [GEN_AI.requestTopP]: sampling.topP,
    [GEN_AI.requestTopK]: sampling.topK,
    [GEN_AI.requestMaxTokens]: sampling.maxTokens,
    [GEN_AI.requestSeed]: sampling.seed,
    [GEN_AI.requestStream]: streamed,
    ...(sampling.stop.length === 0 ? {} : { [GEN_AI.requestStopSequences]: [...sampling.stop] }),
    "magdi.caller": caller,
    "magdi.samples": samples,
    ...(task === null ? {} : { "magdi.task": task }),
  };
}

function endAttributes(end: InferenceEnd) {
  const { vote } = end;
  return {
    [GEN_AI.responseId]: end.id,
    [GEN_AI.responseModel]: end.model,
    [GEN_AI.responseFinishReasons]: [...end.finishReasons],
    [GEN_AI.usageInputTokens]: end.promptTokens,
    [GEN_AI.usageCacheReadInputTokens]: end.promptTokensReused,
    [GEN_AI.usageOutputTokens]: end.generatedTokens,
    ...firstToken(end.timings),
    ...(vote === null ? {} : { "magdi.decided_at": vote.decidedAt, "magdi.stop_reason": vote.stopReason }),
    ...(vote === null || vote.share === null ? {} : { "magdi.votes.share": vote.share }),
  };
}

function firstToken(timings: readonly GenerationTiming[]): Record<string, number> {
  const seconds = timings.flatMap(({ submittedMs, firstTokenMs }) =>
    firstTokenMs === null ? [] : [(firstTokenMs - submittedMs) / 1000],
  );
  return seconds.length === 0 ? {} : { [GEN_AI.responseTimeToFirstChunk]: Math.min(...seconds) };
}

export const GEN_AI = {
  operationName: "gen_ai.operation.name",
  providerName: "gen_ai.provider.name",
  requestModel: "gen_ai.request.model",
  requestChoiceCount: "gen_ai.request.choice.count",
  requestTemperature: "gen_ai.request.temperature",
  requestTopP: "gen_ai.request.top_p",
  requestTopK: "gen_ai.request.top_k",
  requestMaxTokens: "gen_ai.request.max_tokens",
  requestSeed: "gen_ai.request.seed",
  requestStream: "gen_ai.request.stream",
  requestStopSequences: "gen_ai.request.stop_sequences",
  responseId: "gen_ai.response.id",
  responseModel: "gen_ai.response.model",
  responseFinishReasons: "gen_ai.response.finish_reasons",
  responseTimeToFirstChunk: "gen_ai.response.time_to_first_chunk",
  usageInputTokens: "gen_ai.usage.input_tokens",
  usageCacheReadInputTokens: "gen_ai.usage.cache_read.input_tokens",
  usageOutputTokens: "gen_ai.usage.output_tokens",
} as const;
