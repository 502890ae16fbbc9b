// A pane for each sample: its streamed text, its answer and its finish reason.
import { byId, element } from "./dom.js";

/** @typedef {NonNullable<import("../reason/schema.ts").ReasonResponse["samples"]>[number]} Sample */

/** @type {Readonly<Record<string, string>>} */
const ENDINGS = {
  stop: "finished",
  length: "cut at max tokens",
  abort: "ended by the server",
  cancelled: "not needed",
};

export class SamplesView {
  #section = byId("samples-section", HTMLElement);
  #panes = byId("samples-panes", HTMLElement);
  /** @type {Pane[]} */
  #samples = [];
  #scrollAsked = false;

  /** @param {number} count */
  start(count) {
    this.#samples = Array.from({ length: count }, (_, index) => new Pane(index));
    this.#panes.replaceChildren(...this.#samples.map((pane) => pane.root));
    this.#section.hidden = count === 0;
    this.#panes.dataset.count = String(count);
  }

  /**
   * @param {number} index
   * @param {string} text
   */
  append(index, text) {
    this.#samples[index]?.append(text);
    if (this.#scrollAsked) return;
    this.#scrollAsked = true;
    requestAnimationFrame(() => {
      this.#scrollAsked = false;
      for (const pane of this.#samples) pane.follow();
    });
  }

  /**
   * @param {number} index
   * @param {string | null} answer
   * @param {string} finishReason
   */
  finish(index, answer, finishReason) {
    this.#samples[index]?.finish(answer, finishReason);
  }

  /**
   * Shows what only the final response has: tokens, confidence, and the sample that represents the answer.
   *
   * @param {readonly Sample[]} samples
   * @param {string | null} reasoning the text of the sample that represents the answer
   */
  settle(samples, reasoning) {
    const speaker = samples.find(
      (sample) => sample.finish_reason !== "cancelled" && sample.text === reasoning,
    );
    for (const sample of samples) {
      const pane = this.#samples[sample.index];
      pane?.finish(sample.finish_reason === "cancelled" ? null : sample.answer, sample.finish_reason);
      pane?.measure(sample, sample === speaker);
    }
  }

  /** Marks unfinished samples as stopped. */
  halt() {
    for (const pane of this.#samples) pane.halt();
  }
}

class Pane {
  #text = document.createTextNode("");
  #state = element("span", { className: "state", textContent: "waiting" });
  #answer = element("span", { className: "chip answer-chip", hidden: true });
  #measures = element("p", { className: "hint measures" });
  #following = true;
  #changed = false;

  /** @param {number} index */
  constructor(index) {
    this.body = element("div", { className: "text", tabIndex: 0 }, this.#text);
    this.body.setAttribute("role", "group");
    this.body.setAttribute("aria-label", `Text of sample ${index + 1}`);
    this.body.addEventListener("scroll", () => {
      const { scrollTop, scrollHeight, clientHeight } = this.body;
      this.#following = scrollHeight - scrollTop - clientHeight < 24;
    });
    const title = element("h3", { textContent: `Sample ${index + 1}` });
    const head = element("div", { className: "head" }, title, this.#state, this.#answer);
    this.root = element("article", { className: "pane" }, head, this.body, this.#measures);
    this.root.dataset.state = "waiting";
  }

  /** @param {string} text */
  append(text) {
    if (this.root.dataset.state === "waiting") this.#show("thinking", "thinking");
    this.#text.appendData(text);
    this.#changed = true;
  }

  /** Scrolls to the end, unless the reader has scrolled up. */
  follow() {
    if (this.#changed && this.#following) this.body.scrollTop = this.body.scrollHeight;
    this.#changed = false;
  }

  /**
   * @param {string | null} answer
   * @param {string} finishReason
   */
  finish(answer, finishReason) {
    this.#show(finishReason, ENDINGS[finishReason] ?? finishReason);
    this.#answer.hidden = finishReason === "cancelled";
    this.#answer.classList.toggle("none", answer === null);
    this.#answer.textContent = answer ?? "no answer";
  }

  /**
   * @param {Sample} sample
   * @param {boolean} speaks
   */
  measure({ tokens, logprob_mean: mean, finish_reason: ending }, speaks) {
    const parts = [`${tokens} ${tokens === 1 ? "token" : "tokens"}`];
    if (ending === "cancelled") parts.push("discarded");
    else if (mean !== null) parts.push(`confidence ${Math.exp(mean).toFixed(2)}`);
    if (speaks) parts.push("represents the answer");
    this.#measures.textContent = parts.join(" · ");
    this.root.classList.toggle("speaks", speaks);
  }

  halt() {
    if (["waiting", "thinking"].includes(this.root.dataset.state ?? "")) this.#show("halted", "stopped");
  }

  /**
   * @param {string} state
   * @param {string} words
   */
  #show(state, words) {
    this.root.dataset.state = state;
    this.#state.textContent = words;
  }
}
