// What the header says of the server: whether it takes questions, and which model answers them.
import { authorization } from "./ask.js";
import { byId } from "./dom.js";
import { errorOf } from "./server-error.js";

const SOON_MS = 1000;
const LATER_MS = 15_000;
const MODELS = "v1/models";

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
 * Asks now and then until the page is closed.
 *
 * @param {object} options
 * @param {() => string | null} options.key
 * @param {() => void} options.onUnauthorized
 * @param {(model: ModelFacts) => void} options.onModel
 * @returns {() => void} asks again now
 */
export function watchServer({ key, onUnauthorized, onModel }) {
  const stateLine = byId("state", HTMLElement);
  const nameLine = byId("model-name", HTMLElement);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let named = false;
  /** @type {string | null | undefined} the key that was refused last: it is not tried again */
  let refused;

  function show(/** @type {string} */ state) {
    stateLine.dataset.state = state;
    const words = WORDS[state] ?? state;
    if (stateLine.textContent !== words) stateLine.textContent = words;
  }

  async function look() {
    clearTimeout(timer);
    let next = LATER_MS;
    try {
      if (document.visibilityState === "visible") {
        const { status } = await (await fetch("ready")).json();
        show(String(status));
        if (status !== "ready") next = SOON_MS;
        else if (!named) await name();
      }
    } catch {
      show("unreachable");
      named = false;
      next = SOON_MS;
    }
    clearTimeout(timer);
    timer = setTimeout(look, next);
  }

  async function name() {
    const tried = key();
    if (tried === refused) return;
    const response = await fetch(MODELS, { headers: authorization(tried) });
    if (response.status === 401) {
      refused = tried;
      return onUnauthorized();
    }
    if (!response.ok) throw await errorOf(response);
    const model = (await response.json()).data[0];
    // The browser may have logged in by itself; other clients of this server have to.
    const needsKey = tried !== null || (await fetch(MODELS, { credentials: "omit" })).status === 401;
    named = true;
    nameLine.textContent = model.id;
    nameLine.title = `${model.context_length} tokens of context, at most ${model.max_samples} samples`;
    onModel({ ...model, needsKey });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") look();
  });
  look();
  return look;
}
