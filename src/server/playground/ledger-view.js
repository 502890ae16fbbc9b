// The cost of an answer in tokens and time, compared with a debate.
import { bar, byId, element } from "./dom.js";
import { number, tokens } from "./numbers.js";

/** @typedef {import("../reason/schema.ts").ReasonResponse} ReasonResponse */

export class LedgerView {
  #section = byId("ledger-section", HTMLElement);
  #comparison = byId("comparison", HTMLElement);
  #ledger = byId("ledger", HTMLDListElement);

  clear() {
    this.#section.hidden = true;
  }

  /** @param {ReasonResponse} response */
  show({ usage, comparison, timing }) {
    this.#comparison.replaceChildren(
      ...(comparison === null ? [] : comparisonOf(usage.total_tokens, comparison)),
    );
    this.#ledger.replaceChildren(
      entry("Prompt", tokens(usage.prompt_tokens), promptDetail(usage, timing)),
      entry(
        "Completion",
        tokens(usage.completion_tokens),
        usage.completion_tokens_discarded > 0
          ? `${number(usage.completion_tokens_discarded)} of them discarded`
          : "none discarded",
      ),
      entry(
        "Speed",
        timing.tokens_per_second === null ? "–" : `${number(timing.tokens_per_second)} tokens/s`,
        "during decode",
      ),
      entry("First token", time(timing.first_token_ms), `${time(timing.queue_ms)} of it in the queue`),
      entry(
        "Total time",
        time(timing.total_ms),
        `${time(timing.prefill_ms)} prefill, ${time(timing.decode_ms)} decode`,
      ),
    );
    this.#section.hidden = false;
  }
}

/**
 * How much of the prompt came from the prefix cache.
 *
 * @param {ReasonResponse["usage"]} usage
 * @param {ReasonResponse["timing"]} timing
 */
function promptDetail({ prompt_tokens: all, prompt_tokens_computed: computed }, timing) {
  if (timing.prefill_ms === null) return "prefill not finished";
  return all > computed ? `${number(all - computed)} from the prefix cache` : "computed once for all samples";
}

/**
 * @param {number} own total tokens of this answer
 * @param {NonNullable<ReasonResponse["comparison"]>} comparison
 */
function comparisonOf(own, { tokens: debate, ratio, source }) {
  const most = Math.max(own, debate);
  const verdict = ratioLine(ratio, "fewer tokens than a debate", "as many tokens as a debate");
  const rows = element(
    "ul",
    { className: "votes" },
    costRow("This answer", own, own / most, "own"),
    costRow("A debate", debate, debate / most, "debate"),
  );
  return [verdict, rows, element("p", { className: "hint", textContent: source })];
}

/**
 * @param {number} ratio the debate's tokens over those of the answer
 * @param {string} fewer
 * @param {string} more
 */
export function ratioLine(ratio, fewer, more) {
  const times = ratio >= 1 ? ratio : 1 / ratio;
  return element(
    "p",
    { className: "ratio" },
    element("strong", { className: "times", textContent: `${times.toFixed(1)}×` }),
    ` ${ratio >= 1 ? fewer : more}`,
  );
}

/**
 * @param {string} name
 * @param {number} cost
 * @param {number} share
 * @param {string} className
 */
export function costRow(name, cost, share, className) {
  return element(
    "li",
    {},
    element("span", { className: "name", textContent: name }),
    bar(share, className),
    element("span", { className: "count", textContent: tokens(cost) }),
  );
}

/**
 * @param {string} term
 * @param {string} value
 * @param {string} detail
 */
function entry(term, value, detail) {
  return element(
    "div",
    {},
    element("dt", { textContent: term }),
    element("dd", { textContent: value }),
    element("dd", { className: "hint", textContent: detail }),
  );
}

/** @param {number | null} ms */
function time(ms) {
  if (ms === null) return "–";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}
