// Has the server's agents debate a question, and receives the debate's frames; and asks which agents there are. No DOM here.
import { authorization, CANCELLED, overStream } from "./ask.js";
import { errorOf, ServerError } from "./server-error.js";

/**
 * @typedef {{ name: string, model: string | null }} Agent
 *
 * @typedef {object} Agents what GET /v1/agents answers
 * @property {(Agent & { usd_per_million_input: number | null, usd_per_million_output: number | null })[]} data
 * @property {number} rounds
 * @property {boolean} allowed whether this key may debate
 * @property {{ usd_left: number | null, tokens_left: number | null }} budget
 *
 * @typedef {object} SpokenNode
 * @property {string} agent
 * @property {number} round
 * @property {string | null} answer
 * @property {number | null} confidence
 * @property {string} reasoning
 * @property {boolean} refused
 * @property {number | null} prompt_tokens
 * @property {number | null} completion_tokens
 * @property {number | null} usd
 *
 * @typedef {{ agent: string, round: number, reason: string, status: number | null }} MissingNode
 * @typedef {{ answer: string | null, count: number, agents: string[] }} Group
 * @typedef {{ rescaled: string | null, majority: string | null, mean_confidence: string | null }} Team
 *
 * @typedef {object} DebateResult
 * @property {"debate_result"} type
 * @property {string | null} answer
 * @property {string} stop_reason
 * @property {{ prompt_tokens: number, completion_tokens: number, total_tokens: number, calls: number,
 *   unreported_calls: number, usd: number | null }} usage
 * @property {{ total_ms: number }} timing
 * @property {number} seed
 * @property {{ rounds: number, decided_in: number | null, consensus: boolean, team: Team }} debate
 *
 * @typedef {(
 *   | { type: "debate", task: string, agents: Agent[], rounds: number, seed: number }
 *   | { type: "call", round: number, agent: string, attempt: number }
 *   | { type: "node", node: SpokenNode }
 *   | { type: "missing", missing: MissingNode }
 *   | { type: "round", round: number, groups: Group[], consensus: boolean }
 *   | DebateResult
 * )} DebateFrame
 */

export const DEBATE_URL = new URL("../v1/debate", import.meta.url);
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
 * @returns {Promise<Agents | null>}
 */
export async function fetchAgents(key) {
  const response = await fetch(AGENTS_URL, { headers: authorization(key) });
  if (response.status === 404) return null;
  if (!response.ok) throw await errorOf(response);
  return response.json();
}
