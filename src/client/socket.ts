// The client's WebSocket: the platform's own, or that of the package ws where there is none (Node.js before 22).
import { MagdiConnectionError } from "./client-error.ts";

/** The part of WebSocket that the client uses; the platform's and that of ws both have it. */
export interface Socket {
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "open" | "error", listener: (event: object) => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(
    type: "close",
    listener: (event: { readonly code: number; readonly reason: string }) => void,
  ): void;
}

export type SocketConstructor = new (url: string, protocols: string[]) => Socket;

const SUBPROTOCOL = "magdi";
const KEY_SUBPROTOCOL = "magdi.key.";

/** The key is sent as a subprotocol, since browsers allow no headers; the server never echoes it. */
export function subprotocols(apiKey: string | null): string[] {
  return apiKey === null ? [SUBPROTOCOL] : [SUBPROTOCOL, KEY_SUBPROTOCOL + base64Url(apiKey)];
}

function base64Url(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export async function platformSocket(): Promise<SocketConstructor> {
  // The platform's WebSocket follows the HTML standard.
  if ("WebSocket" in globalThis) return globalThis.WebSocket as SocketConstructor;
  const { WebSocket } = await import("ws");
  return WebSocket as SocketConstructor; // has the standard's methods beside its own
}

/**
 * Resolves when the socket is open.
 *
 * @throws MagdiConnectionError when it could not be opened, or the signal's reason
 */
export function openSocket(
  Constructor: SocketConstructor,
  url: string,
  protocols: string[],
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const socket = new Constructor(url, protocols);
    const abort = () => {
      reject(signal.reason);
      socket.close();
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.addEventListener("open", () => {
      signal.removeEventListener("abort", abort);
      resolve(socket);
    });
    // ws throws an error that has no listener. Every error is followed by a close.
    socket.addEventListener("error", () => {});
    socket.addEventListener("close", ({ code }) => {
      signal.removeEventListener("abort", abort);
      reject(new MagdiConnectionError(`${url}: the WebSocket could not be opened`, { closeCode: code }));
    });
  });
}
