// A server of agents that do as they are told, over real sockets, and count what they answered.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

/** What a scripted agent is asked. */
export interface Asked {
  readonly model: string;
  readonly prompt: string;
  readonly seed: number;
}

export type Reaction =
  /** A completion. `usage: false` leaves the tokens out. */
  | { readonly says: string; readonly usage?: false; readonly model?: string; readonly refusal?: string }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: string }
  /** The beginning of a completion, then the connection breaks. */
  | { readonly half: string }
  /** Bytes without an end. */
  | { readonly endless: true }
  | { readonly silent: true; readonly onClosed?: () => void };

export interface Counts {
  /** Requests, whatever became of them. */
  requests: number;
  answers: number;
  promptTokens: number;
  completionTokens: number;
}

export interface ScriptedAgents {
  readonly baseUrl: string;
  /** By model. */
  readonly counts: ReadonlyMap<string, Counts>;
  /** Those that were answered, in order. */
  readonly answered: readonly Asked[];
  close(): Promise<void>;
}

/** One JSON answer, as an agent writes it. */
export function says(
  answer: string | number,
  confidence: number | string | null = 0.9,
  reasoning = "So it is.",
): string {
  const stated = confidence === null ? {} : { confidence_level: confidence };
  return JSON.stringify({ reasoning, answer, ...stated });
}

/** `react` gets what is asked and how many requests its model had before. */
export async function scriptedAgents(
  react: (asked: Asked, nth: number) => Reaction,
): Promise<ScriptedAgents> {
  const counts = new Map<string, Counts>();
  const answered: Asked[] = [];
  const server = createServer(async (request, response) => {
    const asked = await askedOf(request);
    const count = counts.get(asked.model) ?? {
      requests: 0,
      answers: 0,
      promptTokens: 0,
      completionTokens: 0,
    };
    counts.set(asked.model, count);
    const reaction = react(asked, count.requests);
    count.requests += 1;
    if ("says" in reaction) {
      const usage = { prompt_tokens: words(asked.prompt), completion_tokens: words(reaction.says) };
      count.answers += 1;
      if (reaction.usage !== false) {
        count.promptTokens += usage.prompt_tokens;
        count.completionTokens += usage.completion_tokens;
      }
      answered.push(asked);
      const { refusal = null, model = asked.model } = reaction;
      const message = { role: "assistant", content: refusal === null ? reaction.says : null, refusal };
      send(
        response,
        200,
        {},
        JSON.stringify({
          model,
          choices: [{ index: 0, message, finish_reason: "stop" }],
          ...(reaction.usage === false ? {} : { usage }),
        }),
      );
    } else if ("status" in reaction) {
      send(
        response,
        reaction.status,
        reaction.headers ?? {},
        reaction.body ?? '{"error":{"message":"not now"}}',
      );
    } else if ("half" in reaction) {
      response.writeHead(200, { "content-type": "application/json", "content-length": 100_000 });
      response.write(reaction.half, () => response.destroy());
    } else if ("endless" in reaction) {
      response.writeHead(200, { "content-type": "application/json" });
      pour(response);
    } else if (reaction.onClosed !== undefined) {
      response.once("close", reaction.onClosed);
    }
    // a silent one holds the connection
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo; // a listening TCP server's is an object
  return {
    ...{ baseUrl: `http://127.0.0.1:${port}/v1`, counts, answered },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function askedOf(request: IncomingMessage): Promise<Asked> {
  const body = (await json(request)) as {
    readonly model: string;
    readonly messages: readonly { readonly content: string }[];
    readonly seed: number;
  };
  return {
    model: body.model,
    prompt: body.messages.map(({ content }) => content).join("\n"),
    seed: body.seed,
  };
}

function send(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(body);
}

const CHUNK = Buffer.alloc(2 ** 18, " ");

function pour(response: ServerResponse): void {
  while (!response.destroyed) {
    if (!response.write(CHUNK)) {
      response.once("drain", () => pour(response));
      return;
    }
  }
}

function words(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length;
}
