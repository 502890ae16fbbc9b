// Sends a question and receives its frames, over a WebSocket or, if none can be opened, as server-sent events. No DOM
// here.
import { readEvents } from "./event-stream.js";
import { errorOf, ServerError } from "./server-error.js";

/** @typedef {import("../reason/frames.ts").ServerFrame} ServerFrame */
/** @typedef {import("../reason/frames.ts").ReasonFrame} ReasonFrame */

/**
 * @typedef {object} Run
 * @property {Promise<void>} done resolves after the result; rejects with a ServerError
 * @property {() => void} cancel
 * @property {() => boolean} canSettle whether enough() works: over a WebSocket only
 * @property {() => void} enough settles the vote with the samples finished so far
 */

/**
 * @typedef {object} AskOptions
 * @property {string | null} key
 * @property {(frame: ReasonFrame) => void} onFrame called with all frames except errors
 */

export const REASON_URL = new URL("../v1/reason", import.meta.url);
const SOCKET_URL = new URL("../v1/reason/ws", import.meta.url.replace(/^http/, "ws"));

/** The request's id; each question has its own socket. */
const ID = "question";
const CONNECT_TIMEOUT_MS = 4000;
/** How long to wait for the server's last frame after cancelling, before the socket is closed. */
const CANCEL_TIMEOUT_MS = 2000;

/** The error code of a cancelled question. */
export const CANCELLED = "cancelled";

/** False once a WebSocket failed and a stream worked: probably a proxy blocks WebSockets. */
let tryWebSocket = true;

/**
 * @param {object} question the body of POST /v1/reason
 * @param {AskOptions} options
 * @returns {Run}
 */
export function ask(question, options) {
  const abort = new AbortController();
  /** @type {WebSocket | null} */
  let socket = null;
  const send = (/** @type {object} */ frame) => socket?.send(JSON.stringify(frame));

  async function run() {
    try {
      if (tryWebSocket) socket = await openSocket(options.key, abort.signal);
      abort.signal.throwIfAborted();
      if (socket !== null) return await overSocket(socket, question, options.onFrame);
      await overStream(
        REASON_URL,
        question,
        { ...options, onFrame: (frame) => deliver(frame, options.onFrame) },
        abort.signal,
      );
      tryWebSocket = false;
    } catch (error) {
      if (abort.signal.aborted) throw new ServerError("cancelled", { code: CANCELLED });
      throw error;
    }
  }

  return {
    done: run(),
    cancel() {
      abort.abort();
      if (socket?.readyState !== WebSocket.OPEN) return;
      send({ type: "cancel", id: ID });
      setTimeout(() => socket?.close(), CANCEL_TIMEOUT_MS);
    },
    canSettle: () => socket !== null,
    enough: () => send({ type: "enough", id: ID }),
  };
}

/**
 * Opens the WebSocket; null if that fails. The browser does not say why; the stream's response will, if the server refused.
 *
 * @param {string | null} key
 * @param {AbortSignal} signal
 * @returns {Promise<WebSocket | null>}
 */
function openSocket(key, signal) {
  const protocols = ["magdi", ...(key === null ? [] : [`magdi.key.${base64Url(key)}`])];
  return new Promise((resolve) => {
    const socket = new WebSocket(SOCKET_URL, protocols);
    const giveUp = () => socket.close();
    const timer = setTimeout(giveUp, CONNECT_TIMEOUT_MS);
    signal.addEventListener("abort", giveUp);
    const settle = (/** @type {WebSocket | null} */ outcome) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      resolve(outcome);
    };
    socket.addEventListener("open", () => settle(socket), { once: true });
    socket.addEventListener("close", () => settle(null), { once: true });
  });
}

/**
 * @param {WebSocket} socket
 * @param {object} question
 * @param {(frame: ReasonFrame) => void} onFrame
 * @returns {Promise<void>}
 */
function overSocket(socket, question, onFrame) {
  return new Promise((resolve, reject) => {
    socket.addEventListener("message", ({ data }) => {
      try {
        if (deliver(JSON.parse(data), onFrame)) socket.close();
      } catch (error) {
        reject(error);
        socket.close();
      }
      if (socket.readyState !== WebSocket.OPEN) resolve();
    });
    socket.addEventListener("close", ({ code, reason }) =>
      reject(
        new ServerError(
          `the connection closed before the answer (${code}${reason === "" ? "" : `: ${reason}`})`,
        ),
      ),
    );
    socket.send(JSON.stringify({ ...question, type: "reason", id: ID }));
  });
}

/**
 * Sends a question and passes on the frames of its stream, up to the one for which `onFrame` returns true.
 *
 * @param {URL} url
 * @param {object} question
 * @param {{ key: string | null, onFrame: (frame: any) => boolean }} options
 * @param {AbortSignal} signal
 */
export async function overStream(url, question, { key, onFrame }, signal) {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...authorization(key) },
      body: JSON.stringify({ ...question, stream: true }),
      signal,
    });
    if (!response.ok || response.body === null) throw await errorOf(response);
    for await (const data of readEvents(response.body)) {
      if (data === "[DONE]") break;
      if (onFrame(JSON.parse(data))) return;
    }
  } catch (error) {
    if (error instanceof TypeError) throw new ServerError(`the server cannot be reached (${error.message})`);
    throw error;
  }
  throw new ServerError("the stream ended before the answer");
}

/**
 * Passes a frame on; throws for an error frame. Returns whether it was the last.
 *
 * @param {ServerFrame} frame
 * @param {(frame: ReasonFrame) => void} onFrame
 */
function deliver(frame, onFrame) {
  if (frame.type === "error") throw new ServerError(frame.error.message, frame.error);
  // Debates have streams of their own.
  if (frame.type === "pong" || frame.type === "debate_result") return false;
  onFrame(frame);
  return frame.type === "result";
}

/**
 * @param {string | null} key
 * @returns {Record<string, string>}
 */
export function authorization(key) {
  return key === null ? {} : { authorization: `Bearer ${key}` };
}

/** @param {string} text */
function base64Url(text) {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
