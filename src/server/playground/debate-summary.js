// What stands around the graph of a debate: its question, what its answers' marks mean, the team's votes, and the cost.
import { answerMark, verdictMark } from "./answer-marks.js";
import { meaningOf } from "./debate-node.js";
import { element } from "./dom.js";
import { dollars, number, sumOf } from "./numbers.js";

/** @typedef {import("../../debate/page/debate-view.ts").DebateView} DebateView */

/**
 * Question, choices, passage and the right answer.
 *
 * @param {DebateView} view
 */
export function questionParts({ question, choices, passage, gold }) {
  /** @type {HTMLElement[]} */
  const parts = [element("p", { className: "debate-question", textContent: question })];
  if (choices !== null) {
    const items = choices.map(({ label, text }) =>
      element("li", {}, element("strong", { textContent: label }), ` ${text}`),
    );
    parts.push(element("ul", { className: "debate-choices" }, ...items));
  }
  if (passage !== null) {
    const summary = element("summary", { textContent: "Passage" });
    parts.push(
      element("details", {}, summary, element("p", { className: "node-text", textContent: passage })),
    );
  }
  if (gold !== null) {
    const meaning = meaningOf(gold, choices);
    const answer = element("strong", { textContent: gold });
    parts.push(element("p", {}, "Right answer: ", answer, meaning === null ? "" : ` ${meaning}`));
  }
  return parts;
}

/**
 * The answers with their marks, and how many agents gave them in each round.
 *
 * @param {DebateView} view
 */
export function legendOf({ answers, choices, nodes, missing }) {
  const hasChoices = choices !== null;
  const rounds = Math.max(-1, ...nodes.map(({ round }) => round), ...missing.map(({ round }) => round)) + 1;
  const countsOf = (/** @type {number | null} */ group) =>
    Array.from(
      { length: rounds },
      (_, round) => nodes.filter((node) => node.round === round && node.group === group).length,
    );
  const items = answers.map(({ text, correct }, group) => {
    const meaning = meaningOf(text, choices);
    const answer = element("span", {
      className: "legend-answer",
      textContent: meaning === null ? text : `${text} ${meaning}`,
    });
    return element(
      "li",
      {},
      answerMark(group, hasChoices),
      answer,
      ...verdictMark(correct),
      countsText(countsOf(group)),
    );
  });
  if (nodes.some(({ group }) => group === null)) {
    const none = element("span", {
      className: "legend-answer none",
      textContent: "no readable answer, or refused",
    });
    items.push(element("li", {}, answerMark(null, hasChoices), none, countsText(countsOf(null))));
  }
  return element("ul", { className: "legend" }, ...items);
}

/** @param {readonly number[]} counts */
function countsText(counts) {
  const words = `${counts.join(" → ")} ${counts.length > 1 ? "agents by round" : counts[0] === 1 ? "agent" : "agents"}`;
  return element("span", { className: "hint", textContent: words });
}

/**
 * @param {DebateView} view
 */
export function votesOf({ votes, answers, choices }) {
  const rows = votes.map(({ name, answer, group }) => {
    const said = answer === null ? "no answer" : answer;
    const correct = group === null ? null : (answers[group]?.correct ?? null);
    const mark = group === null ? [] : [answerMark(group, choices !== null)];
    return element(
      "div",
      {},
      element("dt", { textContent: name }),
      element(
        "dd",
        {},
        ...mark,
        element("span", { className: "legend-answer", textContent: said }),
        ...verdictMark(correct),
      ),
    );
  });
  return element("dl", { className: "team-votes" }, ...rows);
}

/**
 * Tokens and money by agent and in all; null where no node says its tokens.
 *
 * @param {DebateView} view
 */
export function costTable({ agents, nodes }) {
  if (nodes.every(({ promptTokens, completionTokens }) => promptTokens === null && completionTokens === null))
    return null;
  const head = ["Agent", "answers", "prompt tokens", "generated", "cost"].map((name) =>
    element("th", { scope: "col", textContent: name }),
  );
  const rowOf = (/** @type {string} */ name, /** @type {DebateView["nodes"]} */ own) => {
    const usd = sumOf(own.map((node) => node.usd));
    const cells = [
      String(own.length),
      known(sumOf(own.map(({ promptTokens }) => promptTokens)), number),
      known(sumOf(own.map(({ completionTokens }) => completionTokens)), number),
      known(usd, dollars),
    ];
    return element(
      "tr",
      {},
      element("th", { scope: "row", textContent: name }),
      ...cells.map((textContent) => element("td", { textContent })),
    );
  };
  const rows = agents.map((agent) =>
    rowOf(
      agent,
      nodes.filter((node) => node.agent === agent),
    ),
  );
  const table = element(
    "table",
    { className: "cost-table" },
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...rows),
    element("tfoot", {}, rowOf("All", nodes)),
  );
  const box = element("div", { className: "wide", tabIndex: 0 }, table);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", "Cost by agent");
  return box;
}

/**
 * @param {number | null} value
 * @param {(value: number) => string} write
 */
function known(value, write) {
  return value === null ? "unknown" : write(value);
}
