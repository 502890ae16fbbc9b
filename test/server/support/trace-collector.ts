// A collector of traces on a real socket, as OpenTelemetry's OTLP/HTTP has it.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { Json } from "./running-app.ts";

export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly kind: number;
  readonly attributes: Readonly<Record<string, Json>>;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Of what reported it. */
  readonly resource: Readonly<Record<string, Json>>;
}

export interface Collector {
  readonly url: string;
  readonly spans: readonly CollectedSpan[];
  /** Paths that were posted to. */
  readonly paths: readonly string[];
}

export async function startCollector(t: TestContext): Promise<Collector> {
  const spans: CollectedSpan[] = [];
  const paths: string[] = [];
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request.setEncoding("utf8")) text += chunk;
    paths.push(request.url ?? "");
    for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
      for (const span of scopeSpans.flatMap((scope: Json) => scope.spans)) {
        spans.push({
          ...span,
          parentSpanId: span.parentSpanId || null,
          attributes: plain(span.attributes),
          startNs: BigInt(span.startTimeUnixNano),
          endNs: BigInt(span.endTimeUnixNano),
          resource: plain(resource.attributes),
        });
      }
    }
    response.setHeader("content-type", "application/json");
    response.end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  // A listening TCP server's address is an object.
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, spans, paths };
}

function plain(attributes: Json[]): Record<string, Json> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));
}

/** OTLP's values say their types: {"intValue": 3}, {"arrayValue": {"values": […]}}. */
function plainValue(value: Json): Json {
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plainValue);
  if (value.intValue !== undefined) return Number(value.intValue);
  return value.stringValue ?? value.doubleValue ?? value.boolValue;
}
