// Has the server's agents debate a question, and receives the debate's frames; and asks which agents there are. No DOM here.
import { authorization, CANCELLED, overStream } from "./ask.js";
import { errorOf, ServerError } from "./server-error.js";

/** @typedef {import("../debate/debate-frames.ts").DebateFrame} DebateFrame */
/** @typedef {import("../debate/debate-schema.ts").AgentList} AgentList */

const DEBATE_URL = new URL("../v1/debate", import.meta.url);
const AGENTS_URL = new URL("../v1/agents", import.meta.url);

/**
 * @param {object} question the body of POST /v1/debate
 * @param {{ key: string | null, onFrame: (frame: DebateFrame) => void }} options
 * @returns {{ done: Promise<void>, cancel(): void }} `done` resolves after the result; rejects with a ServerError
 */
export function holdDebate(question, { key, onFrame }) {
  const abort = new AbortController();
  const deliver = (
    /** @type {DebateFrame | { type: "error", error: { message: string, code?: string | null } }} */ frame,
  ) => {
    if (frame.type === "error") throw new ServerError(frame.error.message, frame.error);
    onFrame(frame);
    return frame.type === "debate_result";
  };
  const done = overStream(DEBATE_URL, question, { key, onFrame: deliver }, abort.signal).catch((error) => {
    throw abort.signal.aborted ? new ServerError("cancelled", { code: CANCELLED }) : error;
  });
  return { done, cancel: () => abort.abort() };
}

/**
 * The server's agents; null where it knows nothing of debates.
 *
 * @param {string | null} key
 * @returns {Promise<AgentList | null>}
 */
export async function fetchAgents(key) {
  const response = await fetch(AGENTS_URL, { headers: authorization(key) });
  if (response.status === 404) return null;
  if (!response.ok) throw await errorOf(response);
  return response.json();
}
