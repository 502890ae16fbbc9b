// One TCP connection of the server: the requests on it that are not answered yet, and what is left to write.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Shortage } from "./places.ts";
import type { Writing } from "./unread-answers.ts";

export class HttpConnection implements Writing {
  readonly socket: Socket;
  /** The client that the answers are for: the peer, or whom a trusted proxy asks for. */
  client: string;
  /** Why only the probes are answered on it; null where everything is. */
  refusal: Shortage | null = null;
  /** The latest request whose headers have arrived, and its response. */
  latest: { readonly request: IncomingMessage; readonly response: ServerResponse } | null = null;
  /** Responses not closed yet; there are several if requests are pipelined. */
  readonly pending = new Set<ServerResponse>();
  /** Requests that have arrived, and whose responses are not closed. */
  unanswered = 0;
  /** It takes no more requests. */
  rejected = false;

  constructor(socket: Socket, client: string) {
    this.socket = socket;
    this.client = client;
  }

  get upgraded(): boolean {
    const request = this.latest?.request;
    return request !== undefined && "upgrade" in request && request.upgrade === true;
  }

  unreadBytes(): number {
    let bytes = this.socket.writableLength;
    // Those that wait for earlier ones hold their bytes themselves.
    for (const response of this.pending) if (response.socket === null) bytes += response.writableLength;
    return bytes;
  }

  takenBytes(): number {
    return this.socket.bytesWritten - this.socket.writableLength;
  }

  /** Node's own socket timeout reads this: it alone tells how a long write goes on. */
  pendingBytes(): number {
    const handle: unknown = Reflect.get(this.socket, "_handle");
    if (typeof handle !== "object" || handle === null) return 0;
    const size: unknown = Reflect.get(handle, "writeQueueSize");
    return typeof size === "number" ? size : 0;
  }

  cutOff(): void {
    this.socket.destroy();
  }
}
