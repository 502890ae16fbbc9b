// A server before the app that debates as a test tells it, over a real socket: GET /v1/agents and POST /v1/debate are its own,
// all else is the app's. It lets no WebSocket through.
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import type { TestContext } from "node:test";
import type { Json } from "../server/support/running-app.ts";

export const AGENTS = {
  object: "list",
  data: [
    { name: "large", model: "large-1", usd_per_million_input: 1, usd_per_million_output: 10 },
    { name: "local", model: null, usd_per_million_input: 1, usd_per_million_output: 10 },
  ],
  rounds: 3,
  timeout_ms: 120_000,
  allowed: true,
  budget: { usd_left: 1.95, tokens_left: null },
};

/** A debate that was asked for, told frame by frame. */
export class ToldDebate {
  readonly body: Json;
  /** Resolves when the client has gone, or the debate is over. */
  readonly closed: Promise<unknown>;
  readonly #response: ServerResponse;

  constructor(body: Json, response: ServerResponse) {
    this.body = body;
    this.#response = response;
    this.closed = once(response, "close");
  }

  send(...frames: readonly { readonly type: string; readonly [field: string]: unknown }[]): void {
    if (!this.#response.headersSent) this.#response.writeHead(200, { "content-type": "text/event-stream" });
    for (const frame of frames) {
      this.#response.write(`event: ${frame.type}\ndata: ${JSON.stringify({ id: "debate-1", ...frame })}\n\n`);
    }
  }

  end(): void {
    this.#response.end("data: [DONE]\n\n");
  }

  refuse(status: number, error: Json, headers: Readonly<Record<string, string>> = {}): void {
    this.#response.writeHead(status, { "content-type": "application/json", ...headers });
    this.#response.end(JSON.stringify({ error: { type: "error", param: null, ...error } }));
  }
}

export interface DebatingServer {
  readonly url: string;
  /** The next debate that is asked for. */
  next(): Promise<ToldDebate>;
}

/** @param port the app's. @param agents what GET /v1/agents answers; null: it is not there */
export async function debatingServer(
  t: TestContext,
  port: number,
  agents: Json = AGENTS,
): Promise<DebatingServer> {
  const arrived: ToldDebate[] = [];
  const waiting: ((debate: ToldDebate) => void)[] = [];
  const server = createServer(async (incoming, outgoing) => {
    if (incoming.url === "/v1/agents") {
      outgoing.writeHead(agents === null ? 404 : 200, { "content-type": "application/json" });
      outgoing.end(JSON.stringify(agents ?? { error: { message: "not found" } }));
    } else if (incoming.url === "/v1/debate") {
      const debate = new ToldDebate(await json(incoming), outgoing);
      const take = waiting.shift();
      if (take === undefined) arrived.push(debate);
      else take(debate);
    } else pass(incoming, outgoing, port);
  });
  server.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 501 Not Implemented\r\n\r\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    // A listening TCP server's address is an object.
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/playground/debate.html`,
    next: () => {
      const [first] = arrived.splice(0, 1);
      return first === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(first);
    },
  };
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse, port: number): void {
  const { method, url, headers } = incoming;
  const onward = httpRequest({ port, host: "127.0.0.1", method, path: url, headers }, (response) => {
    outgoing.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(outgoing);
  });
  outgoing.on("close", () => onward.destroy());
  onward.on("error", () => outgoing.destroy());
  incoming.pipe(onward);
}
