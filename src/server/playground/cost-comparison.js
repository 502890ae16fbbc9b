// What a debate cost beside the student's own answer: tokens as bars, and money where it is known.
import { byId, element } from "./dom.js";
import { costRow, ratioLine } from "./ledger-view.js";
import { dollars } from "./numbers.js";

/**
 * @typedef {object} Cost
 * @property {number} tokens of prompts and answers
 * @property {number | null} usd
 */

export class CostComparison {
  #section = byId("comparison-section", HTMLElement);
  #place = byId("comparison", HTMLElement);
  /** @type {Cost | null} */
  #student = null;
  /** @type {Cost | null} */
  #debate = null;
  #isWhole = false;

  clear() {
    this.#isWhole = false;
    this.#student = null;
    this.#debate = null;
    this.#section.hidden = true;
  }

  /** @param {number} tokens */
  showStudent(tokens) {
    this.#student = { tokens, usd: null };
    this.#refresh(false);
  }

  /**
   * @param {Cost} cost
   * @param {boolean} isWhole whether the debate is over
   */
  showDebate(cost, isWhole) {
    this.#debate = cost;
    this.#refresh(isWhole);
  }

  /** @param {boolean} isWhole */
  #refresh(isWhole) {
    const [student, debate] = [this.#student, this.#debate];
    this.#isWhole ||= isWhole;
    const most = Math.max(1, student?.tokens ?? 0, debate?.tokens ?? 0);
    const rows = element(
      "ul",
      { className: "votes" },
      ...(student === null ? [] : [costRow("The student", student.tokens, student.tokens / most, "own")]),
      ...(debate === null ? [] : [costRow("The debate", debate.tokens, debate.tokens / most, "debate")]),
    );
    const isCompared = this.#isWhole && student !== null && debate !== null && student.tokens > 0;
    const money =
      debate === null ? "" : debate.usd === null ? "unknown: an agent has no price" : dollars(debate.usd);
    this.#place.replaceChildren(
      ...(isCompared
        ? [
            ratioLine(
              debate.tokens / student.tokens,
              "fewer tokens by the student",
              "as many tokens by the student",
            ),
          ]
        : []),
      rows,
      element("p", { className: "hint", textContent: "Tokens of prompts and answers." }),
      ...(money === ""
        ? []
        : [
            element("p", { textContent: `Money for the debate: ${money}. The student runs on this server.` }),
          ]),
    );
    this.#section.hidden = false;
  }
}
