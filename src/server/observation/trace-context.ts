// Where in a distributed trace a request belongs, by its traceparent header (W3C Trace Context). It knows no tracer.

export interface TracePlace {
  /** 32 lower-case hexadecimal digits. */
  readonly traceId: string;
  /** The span that what happens now belongs to, 16 digits: the caller's own, until there is one of ours. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** Null for no header, or one that is malformed, which by the standard is as good as none. */
export function parseTraceparent(header: string | string[] | undefined): TracePlace | null {
  if (typeof header !== "string" || header.length > 512) return null;
  const [, version, traceId = "", spanId = "", flags = "", more] = TRACEPARENT.exec(header) ?? [];
  if (version === undefined || version === "ff") return null;
  // Only later versions may say more, and their first four fields are read as ours.
  if (version === "00" && more !== undefined) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** What log lines carry, under OpenTelemetry's names. */
export function logBindings(place: TracePlace): { readonly trace_id: string; readonly span_id: string } {
  return { trace_id: place.traceId, span_id: place.spanId };
}
