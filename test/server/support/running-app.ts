// The app on a real socket, with the requests that tests make of it.
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import type { FastifyInstance } from "fastify";
import { buildApp } from "../../../src/server/app.ts";
import { loadConfig, type ServerConfig } from "../../../src/server/config.ts";
import type { DebateTeam } from "../../../src/server/debate/debate-team.ts";
import { Metrics } from "../../../src/server/observation/metrics.ts";
import type { Tracing } from "../../../src/server/observation/request-trace.ts";
import type { ServedStudent } from "../../../src/server/served-student.ts";
import { type TinyStudent, type TinyStudentOptions, tinyStudent } from "./tiny-student.ts";

/** JSON whose fields a test reads at will: what is not there fails its assertion. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads fields of responses of many shapes
export type Json = any;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

export interface ServerEvent {
  readonly event: string | null;
  /** Parsed, or the text "[DONE]". */
  readonly data: Json;
}

export class RunningApp {
  readonly app: FastifyInstance;
  readonly url: string;
  readonly port: number;

  constructor(app: FastifyInstance, port: number) {
    this.app = app;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  async get(path: string): Promise<Answer> {
    return answerOf(await fetch(this.url + path));
  }

  async post(path: string, body: unknown, init: RequestInit = {}): Promise<Answer> {
    return answerOf(await this.send(path, body, init));
  }

  send(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
    return fetch(this.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
      ...init,
    });
  }

  /** All events of a streamed answer. */
  async stream(path: string, body: object): Promise<ServerEvent[]> {
    const response = await this.send(path, { ...body, stream: true });
    return parseEvents(await response.text());
  }

  /** A metric's value, such as value('magdi_answers_total{task="math"}'). */
  async metric(series: string): Promise<number> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const line = text.split("\n").find((candidate) => candidate.startsWith(`${series} `));
    if (line === undefined) throw new Error(`no metric ${series}`);
    return Number(line.slice(series.length + 1));
  }
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const json = response.headers.get("content-type")?.includes("json") ?? false;
  return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) : text };
}

export function parseEvents(text: string): ServerEvent[] {
  return text
    .split("\n\n")
    .filter((block) => block !== "")
    .map((block) => {
      const event = /^event: (.*)$/m.exec(block)?.[1] ?? null;
      const data = /^data: (.*)$/m.exec(block)?.[1] ?? "";
      return { event, data: data === "[DONE]" ? data : JSON.parse(data) };
    });
}

export interface RunningOptions extends TinyStudentOptions {
  readonly config?: Partial<ServerConfig>;
  readonly tracing?: Tracing;
  readonly team?: DebateTeam;
  readonly wallMs?: () => number;
  /** Where to listen; by default where the system has room. */
  readonly port?: number;
  /** Gets every log line from "info" on. */
  readonly onLogLine?: (line: Json) => void;
}

/** An app with the tiny student, on a port of its own until the test ends. */
export async function runTiny(
  t: TestContext,
  options: RunningOptions = {},
): Promise<{ server: RunningApp; student: TinyStudent }> {
  const metrics = new Metrics({ processMetrics: false });
  const student = tinyStudent({ onStep: metrics.observeStep, ...options });
  return { server: await runApp(t, student, { ...options, metrics }), student };
}

export async function runApp(
  t: TestContext,
  student: ServedStudent | Promise<ServedStudent>,
  options: RunningOptions & { metrics?: Metrics } = {},
): Promise<RunningApp> {
  const { onLogLine } = options;
  const app = buildApp({
    student,
    // Requests that are written by hand call the server x.
    config: { ...loadConfig(), allowedHosts: ["x"], ...options.config },
    metrics: options.metrics ?? new Metrics({ processMetrics: false }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.tracing === undefined ? {} : { tracing: options.tracing }),
    ...(options.team === undefined ? {} : { team: options.team }),
    ...(options.wallMs === undefined ? {} : { wallMs: options.wallMs }),
    ...(onLogLine === undefined
      ? {}
      : { logging: { level: "info", stream: { write: (line: string) => onLogLine(JSON.parse(line)) } } }),
  });
  await app.listen({ port: options.port ?? 0, host: "127.0.0.1" });
  t.after(() => app.close());
  // A listening TCP server's address is an object.
  return new RunningApp(app, (app.server.address() as AddressInfo).port);
}
