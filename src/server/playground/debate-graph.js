// The graph of a debate: a column for each agent, a row for each round, a card for each node, and lines for who heard whom.
import { DebateEdges } from "./debate-edges.js";
import { missingCard, nodeCard, runningCard } from "./debate-node.js";
import { element } from "./dom.js";

/** @typedef {import("../../debate/page/debate-view.ts").DebateView} DebateView */

export class DebateGraph {
  /** Scrolls sideways in itself where it is wider than the page. */
  root;
  #view;
  #edges = new DebateEdges();
  #canvas;
  #body = element("tbody");
  /** @type {Map<number, HTMLElement>} by index of the node */
  #cards = new Map();
  /** @type {number | null} the node that is looked at */
  #looked = null;
  /** @type {HTMLElement[]} the nodes that are marked as where its answer came from */
  #marked = [];
  #drawAsked = false;

  /** @param {DebateView} view its nodes and edges may grow; show() says so */
  constructor(view) {
    this.#view = view;
    const corner = element("th", { className: "round-name", scope: "col", textContent: "Round" });
    const names = view.agents.map((agent, index) => {
      const model = view.models[index] ?? "";
      const hint =
        model === "" || model === agent ? [] : [element("span", { className: "hint", textContent: model })];
      return element("th", { scope: "col" }, agent, ...hint);
    });
    const caption = element("caption", { className: "unseen", textContent: "Answers by round and agent" });
    const table = element(
      "table",
      {},
      caption,
      element("thead", {}, element("tr", {}, corner, ...names)),
      this.#body,
    );
    this.#canvas = element("div", { className: "debate-canvas" }, this.#edges.root, table);
    this.root = element("div", { className: "debate-graph", tabIndex: 0 }, this.#canvas);
    this.root.setAttribute("role", "region");
    this.root.setAttribute("aria-label", "Answers by round and agent");
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
    for (const begins of ["pointerover", "focusin"]) {
      this.#canvas.addEventListener(begins, ({ target }) => this.#lookAt(target));
    }
    this.#canvas.addEventListener("pointerleave", () => this.#lookAt(document.activeElement));
    this.#canvas.addEventListener("focusout", () => this.#lookAt(null));
  }

  /** All that the debate has. */
  showAll() {
    for (const index of this.#view.nodes.keys()) this.showNode(index);
    for (const missing of this.#view.missing) this.#put(missing, missingCard(missing));
  }

  /** @param {number} index a node that has come, or has changed */
  showNode(index) {
    const node = this.#view.nodes[index];
    if (node === undefined) return;
    const card = nodeCard(this.#view, index);
    const before = this.#cards.get(index);
    const wasOpen = before?.querySelector("details")?.open ?? false;
    const details = card.querySelector("details");
    if (details !== null) details.open = wasOpen;
    const hadFocus = before?.contains(document.activeElement) ?? false;
    this.#cards.set(index, card);
    this.#put(node, card);
    if (hadFocus) card.querySelector("summary")?.focus();
  }

  /** @param {import("./debate-node.js").ViewMissing} missing */
  showMissing(missing) {
    this.#put(missing, missingCard(missing));
  }

  /**
   * @param {{ agent: string, round: number }} place
   * @param {string} words
   */
  showRunning(place, words) {
    this.#put(place, runningCard(place, words));
  }

  /** Takes away the cards of nodes that will not come. */
  halt() {
    for (const card of this.#body.querySelectorAll('[data-state="running"]')) {
      card.replaceWith(element("p", { className: "hint", textContent: "stopped" }));
    }
    this.#draw();
  }

  /**
   * @param {number} round
   * @param {string} words what came of it
   */
  noteRound(round, words) {
    const note = this.#row(round).querySelector(".round-note");
    if (note !== null) note.textContent = words;
  }

  /**
   * @param {{ agent: string, round: number }} place
   * @param {HTMLElement} card
   */
  #put({ agent, round }, card) {
    const cell = this.#row(round).cells[this.#view.agents.indexOf(agent) + 1];
    cell?.replaceChildren(card);
    this.#draw();
  }

  /**
   * The row of a round, made with those before it where it is missing.
   *
   * @param {number} round
   * @returns {HTMLTableRowElement}
   */
  #row(round) {
    while (this.#body.rows.length <= round) {
      const name = element("th", { className: "round-name", scope: "row" });
      name.append(
        element("span", { className: "round-number", textContent: String(this.#body.rows.length) }),
        element("span", { className: "round-note" }),
      );
      this.#body.append(element("tr", {}, name, ...this.#view.agents.map(() => element("td"))));
    }
    return /** @type {HTMLTableRowElement} made above */ (this.#body.rows[round]);
  }

  #draw() {
    if (this.#drawAsked) return;
    this.#drawAsked = true;
    requestAnimationFrame(() => {
      this.#drawAsked = false;
      this.#edges.drawAll(this.#view, this.#cards);
      this.#markSources();
    });
  }

  /** @param {EventTarget | null} target what is pointed at or has the focus */
  #lookAt(target) {
    const card = target instanceof Element ? target.closest(".node") : null;
    const looked = [...this.#cards].find(([, one]) => one === card)?.[0] ?? null;
    if (looked === this.#looked) return;
    this.#looked = looked;
    this.#markSources();
  }

  #markSources() {
    this.#edges.drawInto(this.#view, this.#cards, this.#looked);
    const { nodes, edges } = this.#view;
    const group = nodes[this.#looked ?? -1]?.group ?? null;
    const sources = edges.filter(([from, to]) => to === this.#looked && nodes[from]?.group === group);
    for (const card of this.#marked) card.classList.remove("source");
    this.#marked = group === null ? [] : sources.flatMap(([from]) => this.#cards.get(from) ?? []);
    for (const card of this.#marked) card.classList.add("source");
  }
}
