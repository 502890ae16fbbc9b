// A debate as it grows: makes the view that is drawn of the frames that come. No DOM here.

/** @typedef {import("../../debate/page/debate-view.ts").DebateView} DebateView */
/** @typedef {import("../../debate/page/debate-view.ts").ViewNode} ViewNode */
/** @typedef {import("./hold-debate.js").DebateFrame} DebateFrame */
/** @typedef {Extract<DebateFrame, { type: "debate" }>["agents"]} Agents */
/** @typedef {Extract<DebateFrame, { type: "node" }>["node"]} SpokenNode */
/** @typedef {Extract<DebateFrame, { type: "missing" }>["missing"]} MissingNode */
/** @typedef {Extract<DebateFrame, { type: "round" }>["groups"]} Groups */
/** @typedef {Extract<DebateFrame, { type: "debate_result" }>["debate"]} Account */

export class LiveDebate {
  /** @type {ViewNode[]} */
  #nodes = [];
  /** @type {import("../../debate/page/debate-view.ts").ViewMissing[]} */
  #missing = [];
  /** @type {import("../../debate/page/debate-view.ts").ViewAnswer[]} */
  #answers = [];
  /** @type {[number, number][]} */
  #edges = [];
  /** @type {import("../../debate/page/debate-view.ts").ViewVote[]} */
  #votes = [];
  /** @type {Map<string, string>} answers that are others by value, and which */
  #same = new Map();
  /** @type {DebateView} grows with the debate */
  view;

  /**
   * @param {Agents} agents
   * @param {string} task
   * @param {{ question: string, choices: DebateView["choices"], passage: string | null }} asked
   */
  constructor(agents, task, asked) {
    this.view = {
      ...asked,
      ...{ id: "", benchmark: "", task, gold: null, consensus: false },
      agents: agents.map(({ name }) => name),
      models: agents.map(({ model }) => model ?? ""),
      ...{
        answers: this.#answers,
        nodes: this.#nodes,
        missing: this.#missing,
        edges: this.#edges,
        votes: this.#votes,
      },
    };
  }

  /**
   * @param {SpokenNode} spoken
   * @returns {number} its index
   */
  addNode({ agent, round, answer, confidence, reasoning, refused, prompt_tokens, completion_tokens, usd }) {
    const index = this.#nodes.length;
    this.#nodes.push({
      ...{ agent, round, answer, confidence, reasoning, refused, usd, group: null, text: null },
      ...{ promptTokens: prompt_tokens, completionTokens: completion_tokens },
    });
    for (const [from, node] of this.#nodes.entries()) {
      if (node.round === round - 1) this.#edges.push([from, index]);
    }
    this.#regroup();
    return index;
  }

  /** @param {MissingNode} missing */
  addMissing({ agent, round, reason, status }) {
    const shown = { agent, round, error: REASONS[reason] ?? reason };
    if (reason === "status" && status !== null) shown.error = `it answered with the status ${status}`;
    this.#missing.push(shown);
    return shown;
  }

  /**
   * Learns which answers of a round are one by value.
   *
   * @param {number} round
   * @param {Groups} groups
   * @returns {boolean} whether a node's mark has changed
   */
  endRound(round, groups) {
    for (const { answer, agents } of groups) {
      if (answer === null) continue;
      for (const node of this.#nodes) {
        if (node.round === round && node.answer !== null && agents.includes(node.agent))
          this.#join(node.answer, answer);
      }
    }
    return this.#regroup();
  }

  /**
   * @param {Account["team"]} team
   * @param {boolean} consensus
   */
  end(team, consensus) {
    const votes = [
      { name: "rescaled confidences", answer: team.rescaled },
      { name: "majority", answer: team.majority },
      { name: "mean confidence", answer: team.mean_confidence },
    ];
    this.#votes.splice(
      0,
      Number.POSITIVE_INFINITY,
      ...votes.map((vote) => ({ ...vote, group: this.groupOf(vote.answer) })),
    );
    this.view = { ...this.view, consensus };
  }

  /**
   * The place of an answer among the debate's.
   *
   * @param {string | null} answer
   */
  groupOf(answer) {
    if (answer === null) return null;
    const found = this.#answers.findIndex(({ text }) => this.#first(text) === this.#first(answer));
    return found < 0 ? null : found;
  }

  /**
   * @param {string} one
   * @param {string} other
   */
  #join(one, other) {
    const [a, b] = [this.#first(one), this.#first(other)];
    if (a !== b) this.#same.set(a, b);
  }

  /**
   * @param {string} answer
   * @returns {string} the one that stands for it and those that are the same
   */
  #first(answer) {
    const other = this.#same.get(answer);
    return other === undefined ? answer : this.#first(other);
  }

  /** Numbers the answers in the order in which they were first given. */
  #regroup() {
    this.#answers.length = 0;
    let hasChanged = false;
    for (const [index, node] of this.#nodes.entries()) {
      if (node.answer !== null && this.groupOf(node.answer) === null)
        this.#answers.push({ text: node.answer, correct: null });
      const group = this.groupOf(node.answer);
      if (group === node.group) continue;
      hasChanged ||= node.group !== null;
      this.#nodes[index] = { ...node, group };
    }
    return hasChanged;
  }
}

/** @type {Readonly<Record<string, string>>} */
const REASONS = {
  status: "it answered with an error",
  failed: "it did not answer in time, or not readably",
  stopped: "the debate was over before it answered",
};
