// A session on one WebSocket: many questions at once, each with its own frames and result.
import type { AnswerKind, CallOptions, DebateRequest, ReasonRequest, ServerFrame } from "./api-types.ts";
import { CallScope } from "./call-scope.ts";
import { MagdiApiError, MagdiConnectionError } from "./client-error.ts";
import { Deferred } from "./deferred.ts";
import { frameOf } from "./reason-stream.ts";
import { SessionRun } from "./session-run.ts";
import type { Socket } from "./socket.ts";

/** How the connection was closed: the code (RFC 6455, section 7.4.1) and the reason. */
export interface SessionClose {
  readonly code: number;
  readonly reason: string;
}

interface LiveRun {
  readonly run: Pick<SessionRun, "take" | "fail">;
  readonly scope: CallScope;
}

/**
 * @example
 * const session = await client.connect();
 * const run = session.reason({ question: "What is 12 * 7?", samples: 5 });
 * for await (const frame of run) if (frame.type === "vote" && frame.remaining <= 2) run.enough();
 * const { answer } = await run.result;
 * await session.close();
 */
export class ReasonSession {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #live = new Map<string, LiveRun>();
  readonly #pings: Deferred<void>[] = [];
  readonly #closed = new Deferred<SessionClose>();
  #close: SessionClose | null = null;
  #count = 0;

  /** Made by the client, over an open socket. A request that receives nothing for `timeoutMs` fails. */
  constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    socket.addEventListener("close", ({ code, reason }) => this.#end({ code, reason }));
  }

  /** Resolves when the connection is closed, by either side. */
  get closed(): Promise<SessionClose> {
    return this.#closed.promise;
  }

  /** Asks a question. Never throws: errors reject the run. */
  reason(request: ReasonRequest, options: CallOptions = {}): SessionRun {
    return this.#start("reason", request, options);
  }

  /** Has the server's agents debate a question. Never throws: errors reject the run. */
  debate(request: DebateRequest, options: CallOptions = {}): SessionRun<"debate"> {
    return this.#start("debate", request, options);
  }

  #start<K extends AnswerKind>(type: K, request: object, options: CallOptions): SessionRun<K> {
    const id = `r${++this.#count}`;
    const scope = new CallScope(options.signal, this.#timeoutMs);
    const run = new SessionRun<K>(id, {
      cancel: () => this.#send({ type: "cancel", id }),
      enough: () => this.#send({ type: "enough", id }),
      ended: () => {
        scope.close();
        this.#live.delete(id);
      },
    });
    if (this.#close !== null || scope.signal.aborted) {
      run.fail(this.#close === null ? scope.signal.reason : connectionEnded(this.#close));
      return run;
    }
    this.#live.set(id, { run, scope });
    scope.signal.addEventListener("abort", () => {
      if (!this.#live.has(id)) return;
      this.#send({ type: "cancel", id });
      run.fail(scope.signal.reason);
    });
    this.#send({ ...request, type, id });
    return run;
  }

  /** Resolves when the server has answered, and so has read everything that was sent before. */
  async ping(options: CallOptions = {}): Promise<void> {
    if (this.#close !== null) throw connectionEnded(this.#close);
    const scope = new CallScope(options.signal, this.#timeoutMs);
    // Pongs arrive in the order of the pings, so an aborted ping stays in the queue.
    const pong = new Deferred<void>();
    scope.signal.addEventListener("abort", () => pong.reject(scope.signal.reason));
    if (scope.signal.aborted) throw scope.signal.reason;
    this.#pings.push(pong);
    this.#send({ type: "ping" });
    try {
      await pong.promise;
    } finally {
      scope.close();
    }
  }

  /** Closes the connection; requests still running on it fail. */
  async close(): Promise<SessionClose> {
    if (this.#close === null) this.#socket.close(1000, "done");
    return this.closed;
  }

  #send(frame: object): void {
    if (this.#close === null) this.#socket.send(JSON.stringify(frame));
  }

  #receive(data: unknown): void {
    let frame: ServerFrame;
    try {
      frame = frameOf(String(data));
    } catch (error) {
      // Not our protocol: no later frame can be trusted either.
      this.#failAll(error);
      this.#socket.close(1000, "a frame was not of this protocol");
      return;
    }
    if (frame.type === "pong") {
      this.#pings.shift()?.resolve();
      return;
    }
    // A late frame, such as the error for a cancel after the end or a frame of an aborted request, is dropped.
    const live = frame.id === null ? undefined : this.#live.get(frame.id);
    if (live === undefined) return;
    live.scope.heard();
    if (frame.type === "error") live.run.fail(new MagdiApiError(frame));
    else live.run.take(frame);
  }

  #end(close: SessionClose): void {
    this.#close = close;
    this.#failAll(connectionEnded(close));
    this.#closed.resolve(close);
  }

  #failAll(error: unknown): void {
    for (const { run } of [...this.#live.values()]) run.fail(error);
    for (const ping of this.#pings.splice(0)) ping.reject(error);
  }
}

function connectionEnded({ code, reason }: SessionClose): MagdiConnectionError {
  return new MagdiConnectionError(
    `the connection ended with code ${code}${reason === "" ? "" : ` (${reason})`}`,
    { closeCode: code },
  );
}
