// Clients that end their sending side after a whole request, as HTTP allows, get their answers; those that are gone are
// noticed. Both look the same until something is sent, so a byte is sent now and then that the answer begins with anyway.
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/** Every response begins with it. */
const RESPONSE_START = "HTTP/1.1 ";
/** A comment, which clients of an event stream that has begun skip. */
const EVENT_COMMENT = ":\n\n";
/** Time to each probe. A gone client's host answers the first with a reset, and the next one fails; its way may be long. */
const PROBE_DELAYS_MS = [0, 1, 20, 200, 1000, 5000, 15_000, 60_000, 120_000];

/** Node's server would end a connection as soon as its client has ended its side. */
export function keepHalfClosed(app: FastifyInstance): void {
  Object.assign(app.server, { httpAllowHalfOpen: true });
}

/**
 * Call it when the client has ended its side: writes to it until a write fails, which closes the connection, or all is
 * answered. `pending` are the responses not closed yet.
 */
export function probeHalfClosed(socket: Socket, pending: ReadonlySet<ServerResponse>): void {
  let begun: ServerResponse | null = null;
  let bytes = 0;
  const probe = (): void => {
    const response = [...pending].find((one) => one.socket === socket && !one.writableEnded);
    if (response === undefined) return;
    if (response.headersSent) {
      const isStream = String(response.getHeader("content-type")).startsWith("text/event-stream");
      if (isStream) response.write(EVENT_COMMENT);
    } else if (response !== begun || bytes < RESPONSE_START.length) {
      if (response !== begun) bytes = 0;
      begun = response;
      if (bytes > 0) Reflect.deleteProperty(socket, "write");
      socket.write(RESPONSE_START.charAt(bytes));
      bytes += 1;
      skipInNextWrite(socket, bytes);
    }
  };
  const schedule = (attempt: number): void => {
    const delay = PROBE_DELAYS_MS[Math.min(attempt, PROBE_DELAYS_MS.length - 1)]!;
    const timer = setTimeout(() => {
      socket.off("close", stop);
      if (socket.destroyed || !socket.writable) return;
      probe();
      schedule(attempt + 1);
    }, delay).unref();
    const stop = (): void => clearTimeout(timer);
    socket.once("close", stop);
  };
  schedule(0);
}

/** The socket's next write is a response's, whose first `bytes` bytes were sent. */
function skipInNextWrite(socket: Socket, bytes: number): void {
  const write = (chunk: string | Uint8Array, ...rest: []): boolean => {
    Reflect.deleteProperty(socket, "write");
    return socket.write(typeof chunk === "string" ? chunk.slice(bytes) : chunk.subarray(bytes), ...rest);
  };
  // Hides the prototype's method until it is called.
  Object.assign(socket, { write });
}
