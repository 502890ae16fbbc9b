// The card of one node of a debate: who answered what, how sure, whether that is right, where it came from, and at what cost.
import { answerMark, colourOf, markOf, verdictMark } from "./answer-marks.js";
import { element } from "./dom.js";
import { dollars, tokens } from "./numbers.js";

/** @typedef {import("../../debate/page/debate-view.ts").DebateView} DebateView */
/** @typedef {import("../../debate/page/debate-view.ts").ViewNode} ViewNode */
/** @typedef {import("../../debate/page/debate-view.ts").ViewMissing} ViewMissing */

/**
 * @param {DebateView} view
 * @param {number} index
 */
export function nodeCard(view, index) {
  const node = view.nodes[index];
  if (node === undefined) throw new Error(`the debate has no node ${index}`);
  const hasChoices = view.choices !== null;
  const head = element("p", { className: "node-head" }, answerMark(node.group, hasChoices));
  if (node.answer === null) {
    const words = node.refused ? "refused to answer" : "no readable answer";
    head.append(element("span", { className: "node-answer none", textContent: words }));
  } else {
    head.append(element("span", { className: "node-answer", textContent: node.answer }));
    const correct = node.group === null ? null : (view.answers[node.group]?.correct ?? null);
    head.append(...verdictMark(correct));
  }
  const card = cardOf(node, node.refused ? "refused" : node.answer === null ? "unread" : "answered", head);
  card.dataset.colour = colourOf(node.group);
  const meaning = meaningOf(node.answer, view.choices);
  if (meaning !== null) card.append(element("p", { className: "node-meaning", textContent: meaning }));
  const facts = [
    node.confidence === null ? "no confidence stated" : `confidence ${node.confidence.toFixed(2)}`,
    ...originOf(view, index),
  ];
  card.append(...facts.map((fact) => element("p", { className: "node-fact", textContent: fact })));
  const details = reasoningOf(node);
  if (details !== null) card.append(details);
  const cost = costOf(node);
  if (cost !== "") card.append(element("p", { className: "node-cost", textContent: cost }));
  return card;
}

/** @param {ViewMissing} missing */
export function missingCard(missing) {
  const head = element(
    "p",
    { className: "node-head" },
    element("span", { className: "node-answer none", textContent: "did not answer" }),
  );
  const card = cardOf(missing, "missing", head);
  if (missing.error !== "") card.append(element("p", { className: "node-fact", textContent: missing.error }));
  return card;
}

/**
 * A node that is yet to come.
 *
 * @param {{ agent: string, round: number }} place
 * @param {string} words
 */
export function runningCard(place, words) {
  const head = element(
    "p",
    { className: "node-head" },
    element("span", { className: "node-answer none", textContent: words }),
  );
  return cardOf(place, "running", head);
}

/**
 * @param {{ agent: string, round: number }} place
 * @param {string} state
 * @param {HTMLElement} head
 */
function cardOf({ agent, round }, state, head) {
  const card = element("article", { className: "node" }, head);
  card.setAttribute("aria-label", `${agent}, round ${round}`);
  card.dataset.state = state;
  return card;
}

/**
 * How an answer came about: kept, or changed to what others had said, or to something new.
 *
 * @param {DebateView} view
 * @param {number} index
 * @returns {string[]}
 */
function originOf({ nodes, edges, choices }, index) {
  const node = nodes[index];
  if (node === undefined || node.group === null || node.round === 0) return [];
  const own = nodes.filter(({ agent, round }) => agent === node.agent && round < node.round).at(-1);
  if (own?.group === node.group) return ["kept its answer"];
  const heard = edges.flatMap(([from, to]) => (to === index ? (nodes[from] ?? []) : []));
  const sources = heard.filter(({ agent, group }) => group === node.group && agent !== node.agent);
  const names = [...new Set(sources.map(({ agent }) => agent))].join(", ");
  const from = names === "" ? "to what nobody had said" : `as ${names} had said`;
  if (own === undefined || own.group === null)
    return heard.length === 0 ? [] : [`answers ${names === "" ? "what nobody had said" : from}`];
  return [`changed from ${markOf(own.group, choices !== null)}, ${from}`];
}

/** @param {ViewNode} node */
function reasoningOf({ reasoning, text, agent, round }) {
  if (reasoning === "" && text === null) return null;
  const details = element("details", { className: "node-reasoning" });
  const summary = element("summary", { textContent: reasoning === "" ? "What it wrote" : "Reasoning" });
  summary.append(element("span", { className: "unseen", textContent: ` of ${agent} in round ${round}` }));
  details.append(summary);
  if (reasoning !== "") details.append(element("p", { className: "node-text", textContent: reasoning }));
  if (text !== null) {
    if (reasoning !== "")
      details.append(element("p", { className: "node-fact", textContent: "All that it wrote:" }));
    details.append(element("pre", { className: "node-text", textContent: text }));
  }
  return details;
}

/** @param {ViewNode} node */
function costOf({ promptTokens, completionTokens, usd }) {
  const parts = [];
  if (promptTokens !== null && completionTokens !== null)
    parts.push(
      `${tokens(promptTokens + completionTokens)}, ${completionTokens.toLocaleString("en")} generated`,
    );
  if (usd !== null) parts.push(dollars(usd));
  return parts.join(" · ");
}

/**
 * The text of the choice that an answer names.
 *
 * @param {string | null} answer
 * @param {DebateView["choices"]} choices
 */
export function meaningOf(answer, choices) {
  if (answer === null) return null;
  return choices?.find(({ label }) => label.toLowerCase() === answer.toLowerCase())?.text ?? null;
}
