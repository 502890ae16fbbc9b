// A client of /v1/reason/ws for tests: it holds every frame that comes to the schemas.
import { once } from "node:events";
import type { TestContext } from "node:test";
import { WebSocket } from "ws";
import { serverFrame } from "../../../src/server/reason/frames.ts";
import type { Json } from "./running-app.ts";

export const SOCKET_PATH = "/v1/reason/ws";

export class SocketClient {
  readonly ws: WebSocket;
  /** All frames so far, each as the schema has it. */
  readonly frames: Json[] = [];
  /** Resolves with the code and reason of the close. */
  readonly closed: Promise<{ code: number; reason: string }>;
  /** What a frame had that it should not, or lacked. */
  readonly faults: string[] = [];
  #waiting: (() => void)[] = [];

  constructor(ws: WebSocket) {
    this.ws = ws;
    this.closed = new Promise((resolve) => {
      ws.once("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.#wake();
      });
    });
    ws.on("error", () => {});
    ws.on("message", (data) => {
      const frame = JSON.parse(String(data));
      const parsed = serverFrame.safeParse(frame);
      if (!parsed.success) this.faults.push(`${data}: ${parsed.error.message}`);
      this.frames.push(frame);
      this.#wake();
    });
  }

  send(frame: unknown): void {
    this.ws.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  ask(id: string, question: string, fields: object = {}): void {
    this.send({ type: "reason", id, question, ...fields });
  }

  of(id: string | null): Json[] {
    return this.frames.filter((frame) => frame.id === id);
  }

  /** The first frame, past or coming, that fits; throws when the socket closes without it. */
  async frame(fits: (frame: Json) => boolean): Promise<Json> {
    for (let seen = 0; ; ) {
      for (; seen < this.frames.length; seen++) if (fits(this.frames[seen])) return this.frames[seen];
      if (this.ws.readyState === this.ws.CLOSED) {
        throw new Error(`closed without the frame; last were ${JSON.stringify(this.frames.slice(-3))}`);
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The frame that ends a request: its result or its error. */
  last(id: string): Promise<Json> {
    return this.frame(
      (frame) => frame.id === id && ["result", "debate_result", "error"].includes(frame.type),
    );
  }

  /** Waits for a round trip: everything that was sent before has been taken in. */
  async settled(): Promise<void> {
    const pongs = () => this.frames.filter(({ type }) => type === "pong").length;
    const before = pongs();
    this.send({ type: "ping" });
    await this.frame(() => pongs() > before);
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** An open socket, cut off when the test ends; by then all its frames must have been as the schemas say. */
export async function connectSocket(
  t: TestContext,
  server: { readonly port: number },
  options: { protocols?: string[]; headers?: Record<string, string> } = {},
): Promise<SocketClient> {
  const { protocols = [], headers = {} } = options;
  const ws = new WebSocket(`ws://127.0.0.1:${server.port}${SOCKET_PATH}`, protocols, { headers });
  t.after(() => ws.terminate());
  const client = new SocketClient(ws);
  t.after(() => {
    if (client.faults.length > 0) throw new Error(client.faults.slice(0, 3).join("\n"));
  });
  await once(ws, "open");
  return client;
}
