// The page header's status line: the server's state and the model's name.
import { authorization } from "./ask.js";
import { byId } from "./dom.js";
import { errorOf } from "./server-error.js";

const NOT_READY_POLL_MS = 1000;
const READY_POLL_MS = 15_000;
const MODELS = new URL("../v1/models", import.meta.url);
const READY = new URL("../ready", import.meta.url);

/** @type {Readonly<Record<string, string>>} */
const WORDS = {
  ready: "ready",
  loading: "loading…",
  shutting_down: "shutting down",
  engine_stalled: "stalled",
  engine_failed: "failed",
};

/** @typedef {{ id: string, max_samples: number, context_length: number, needsKey: boolean }} ModelFacts */

/**
 * Polls /ready and fetches the model when the server becomes ready.
 *
 * @param {object} options
 * @param {() => string | null} options.key
 * @param {() => void} options.onUnauthorized
 * @param {(model: ModelFacts) => void} options.onModel
 * @returns {() => void} polls now
 */
export function watchServer({ key, onUnauthorized, onModel }) {
  const stateLine = byId("state", HTMLElement);
  const nameLine = byId("model-name", HTMLElement);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let named = false;
  /** @type {string | null | undefined} the key that was rejected last, which is not tried again */
  let rejected;

  function show(/** @type {string} */ state) {
    stateLine.dataset.state = state;
    const words = WORDS[state] ?? state;
    if (stateLine.textContent !== words) stateLine.textContent = words;
  }

  async function poll() {
    clearTimeout(timer);
    let next = READY_POLL_MS;
    try {
      if (document.visibilityState === "visible") {
        const { status } = await (await fetch(READY)).json();
        show(String(status));
        if (status !== "ready") next = NOT_READY_POLL_MS;
        else if (!named) await fetchModel();
      }
    } catch {
      show("unreachable");
      named = false;
      next = NOT_READY_POLL_MS;
    }
    clearTimeout(timer);
    timer = setTimeout(poll, next);
  }

  async function fetchModel() {
    const tried = key();
    if (tried === rejected) return;
    const response = await fetch(MODELS, { headers: authorization(tried) });
    if (response.status === 401) {
      rejected = tried;
      return onUnauthorized();
    }
    if (!response.ok) throw await errorOf(response);
    const model = (await response.json()).data[0];
    // The browser may be logged in with Basic authentication; other clients still need a key.
    const needsKey = tried !== null || (await fetch(MODELS, { credentials: "omit" })).status === 401;
    named = true;
    nameLine.textContent = model.id;
    nameLine.title = `${model.context_length} tokens of context, at most ${model.max_samples} samples`;
    onModel({ ...model, needsKey });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") poll();
  });
  poll();
  return poll;
}
