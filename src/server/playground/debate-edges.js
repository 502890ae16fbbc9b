// The lines between the nodes of a debate: all of them faint, those into the node that is looked at strong, and strongest
// those from nodes with the same answer.
import { colourOf } from "./answer-marks.js";

/** @typedef {import("../../debate/page/debate-view.ts").DebateView} DebateView */

const SVG = "http://www.w3.org/2000/svg";
/** More lines than these would be a grey area, and slow: only those of one node are drawn. */
const MOST_FAINT = 2000;

export class DebateEdges {
  /** Lies behind the nodes; screen readers get the same from the cards' texts. */
  root = svgElement("svg");
  #faint = svgElement("path");
  #strong = svgElement("g");

  constructor() {
    this.root.setAttribute("class", "edges");
    this.root.setAttribute("aria-hidden", "true");
    this.#faint.setAttribute("class", "faint");
    this.root.append(this.#faint, this.#strong);
  }

  /**
   * @param {DebateView} view
   * @param {ReadonlyMap<number, HTMLElement>} cards by index of the node
   */
  drawAll({ nodes, edges }, cards) {
    const places = placesOf(cards, this.root);
    const lines = edges.length > MOST_FAINT ? [] : edges.map((edge) => lineOf(edge, nodes, places));
    this.#faint.setAttribute("d", lines.join(""));
  }

  /**
   * @param {DebateView} view
   * @param {ReadonlyMap<number, HTMLElement>} cards
   * @param {number | null} index the node that is looked at
   */
  drawInto({ nodes, edges }, cards, index) {
    const into = index === null ? [] : edges.filter(([, to]) => to === index);
    const wanted = new Map([...cards].filter(([at]) => at === index || into.some(([from]) => from === at)));
    const places = placesOf(wanted, this.root);
    const lines = into.map((edge) => {
      const line = svgElement("path");
      const [from, to] = edge.map((end) => nodes[end]);
      const isSource = from !== undefined && from.group !== null && from.group === to?.group;
      line.setAttribute("d", lineOf(edge, nodes, places));
      line.setAttribute("class", isSource ? "source" : "heard");
      line.dataset.colour = colourOf(to?.group ?? null);
      return { line, isSource };
    });
    lines.sort((a, b) => Number(a.isSource) - Number(b.isSource));
    this.#strong.replaceChildren(...lines.map(({ line }) => line));
  }
}

/** @typedef {{ left: number, right: number, top: number, bottom: number }} Box */

/**
 * @param {ReadonlyMap<number, HTMLElement>} cards
 * @param {SVGElement} root
 * @returns {Map<number, Box>}
 */
function placesOf(cards, root) {
  const origin = root.getBoundingClientRect();
  return new Map(
    [...cards].map(([index, card]) => {
      const { left, right, top, bottom } = card.getBoundingClientRect();
      const box = {
        ...{ left: left - origin.left, right: right - origin.left },
        ...{ top: top - origin.top, bottom: bottom - origin.top },
      };
      return [index, box];
    }),
  );
}

/**
 * From below the one to above the other; beside each other where both are in one round.
 *
 * @param {readonly number[]} edge
 * @param {DebateView["nodes"]} nodes
 * @param {ReadonlyMap<number, Box>} places
 */
function lineOf([from = -1, to = -1], nodes, places) {
  const [a, b] = [places.get(from), places.get(to)];
  if (a === undefined || b === undefined) return "";
  if (nodes[from]?.round === nodes[to]?.round) {
    const [start, end] = a.left < b.left ? [a.right, b.left] : [a.left, b.right];
    const [y, z] = [(a.top + a.bottom) / 2, (b.top + b.bottom) / 2];
    return `M${round(start)} ${round(y)}L${round(end)} ${round(z)}`;
  }
  const [x, y] = [(a.left + a.right) / 2, a.bottom];
  const [u, v] = [(b.left + b.right) / 2, b.top];
  const half = (v - y) / 2;
  return `M${round(x)} ${round(y)}C${round(x)} ${round(y + half)} ${round(u)} ${round(v - half)} ${round(u)} ${round(v)}`;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/**
 * @template {"svg" | "path" | "g"} K
 * @param {K} tag
 * @returns {SVGElementTagNameMap[K]}
 */
function svgElement(tag) {
  return document.createElementNS(SVG, tag);
}
