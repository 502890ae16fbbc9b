// The side of the page on which a debate is held: what it is at, its answer, its graph, its votes, and its cost.
import { answerMark } from "./answer-marks.js";
import { DebateGraph } from "./debate-graph.js";
import { meaningOf } from "./debate-node.js";
import { costTable, legendOf, votesOf } from "./debate-summary.js";
import { byId, element } from "./dom.js";
import { LiveDebate } from "./live-debate.js";

/** @typedef {import("./hold-debate.js").DebateFrame} DebateFrame */
/** @typedef {Extract<DebateFrame, { type: "round" }>} RoundFrame */
/** @typedef {Extract<DebateFrame, { type: "debate_result" }>} DebateResult */

/** @type {Readonly<Record<string, string>>} */
const STOPS = {
  consensus: "the agents agree",
  rounds: "the rounds are used up",
  unanswered: "no agent answered any more",
  budget: "the day's budget is used up",
  abort: "the server ended it early",
};

export class DebatePanel {
  #phase = byId("debate-phase", HTMLElement);
  #answer = byId("debate-answer", HTMLElement);
  #note = byId("debate-note", HTMLElement);
  #sections = byId("debate-sections", HTMLElement);
  #legend = byId("debate-legend", HTMLElement);
  #place = byId("debate-place", HTMLElement);
  #votesSection = byId("debate-votes-section", HTMLElement);
  #votes = byId("debate-votes", HTMLElement);
  #cost = byId("debate-cost", HTMLElement);
  /** @type {LiveDebate | null} */
  #live = null;
  /** @type {DebateGraph | null} */
  #graph = null;
  #asked = NOTHING;
  /** The last round that was begun, and what became of the one before. */
  #round = -1;
  #before = "";

  /** @param {Record<string, unknown>} question as the form gives it */
  start(question) {
    this.#live = null;
    this.#graph = null;
    this.#round = -1;
    this.#before = "";
    this.#asked = {
      question: String(question.question),
      choices:
        /** @type {{ label: string, text: string }[] | undefined} as the form gives it */ (
          question.choices
        ) ?? null,
      passage: typeof question.passage === "string" ? question.passage : null,
    };
    this.phase("Asking…");
    this.#answer.replaceChildren();
    this.#note.textContent = "";
    this.#sections.hidden = true;
    this.#votesSection.hidden = true;
    this.#place.replaceChildren();
  }

  /** @param {string} words announced to screen readers */
  phase(words) {
    if (this.#phase.textContent !== words) this.#phase.textContent = words;
  }

  /** The view as it is now; null before the debate has begun. */
  get view() {
    return this.#live?.view ?? null;
  }

  /** @param {DebateFrame} frame */
  show(frame) {
    if (frame.type === "debate") {
      this.#live = new LiveDebate(frame.agents, frame.task, this.#asked);
      this.#graph = new DebateGraph(this.#live.view);
      this.#place.replaceChildren(this.#graph.root);
      this.phase("Waiting for the agents…");
      this.#sections.hidden = false;
      this.#refresh();
      return;
    }
    if (this.#live === null || this.#graph === null) return;
    switch (frame.type) {
      case "call":
        this.#begin(frame.round);
        this.#graph.showRunning(frame, frame.attempt === 0 ? "thinking…" : `asked again (${frame.attempt})…`);
        break;
      case "node":
        this.#graph.showNode(this.#live.addNode(frame.node));
        this.#refresh();
        break;
      case "missing":
        this.#graph.showMissing(this.#live.addMissing(frame.missing));
        break;
      case "round":
        if (this.#live.endRound(frame.round, frame.groups)) this.#graph.showAll();
        this.#before = outcomeOf(frame);
        this.#graph.noteRound(frame.round, frame.consensus ? "they agree" : `${answersIn(frame.groups)}`);
        this.phase(this.#before);
        this.#refresh();
        break;
      case "debate_result":
        this.#finish(this.#live, frame);
        break;
    }
  }

  /** Shows that the nodes that were running will not come. */
  halt() {
    this.#graph?.halt();
  }

  /** @param {number} round */
  #begin(round) {
    if (round <= this.#round) return;
    this.#round = round;
    const words =
      round === 0 ? "Round 0: each answers alone…" : `Round ${round}: each hears what all have said…`;
    this.phase([this.#before, words].filter((part) => part !== "").join(" "));
  }

  /**
   * @param {LiveDebate} live
   * @param {DebateResult} result
   */
  #finish(live, { answer, stop_reason: stop, debate, timing, seed }) {
    live.end(debate.team, debate.consensus);
    const rounds = debate.rounds === 0 ? "one round" : `${debate.rounds + 1} rounds`;
    this.phase(answer === null ? "No answer" : `Answer${debate.consensus ? ", by consensus" : ", by vote"}`);
    if (answer === null) this.#answer.textContent = "No agent gave a readable answer.";
    else {
      const meaning = meaningOf(answer, live.view.choices);
      const group = live.groupOf(answer);
      this.#answer.replaceChildren(
        ...(group === null ? [] : [answerMark(group, live.view.choices !== null)]),
        element("strong", { className: "value", textContent: answer }),
        ...(meaning === null ? [] : [element("span", { className: "meaning", textContent: meaning })]),
      );
      this.#answer.classList.toggle("long", answer.length > 24);
    }
    const seconds = `${(timing.total_ms / 1000).toFixed(1)} s`;
    this.#note.textContent = [rounds, STOPS[stop] ?? stop, seconds, `seed ${seed}`].join(" · ");
    this.#votes.replaceChildren(votesOf(live.view));
    this.#votesSection.hidden = false;
    this.#refresh();
    this.halt();
  }

  #refresh() {
    if (this.#live === null) return;
    this.#legend.replaceChildren(legendOf(this.#live.view));
    const table = costTable(this.#live.view);
    if (table !== null) this.#cost.replaceChildren(table);
    this.#cost.hidden = table === null;
  }
}

/** @type {{ question: string, choices: { label: string, text: string }[] | null, passage: string | null }} */
const NOTHING = { question: "", choices: null, passage: null };

/** @param {RoundFrame} ended */
function outcomeOf({ round, groups, consensus }) {
  if (groups.length === 0) return `Round ${round}: nobody answered.`;
  const said = groups.map(
    ({ answer, count }) => `${count} × ${answer === null ? "no answer" : short(answer)}`,
  );
  return `Round ${round}: ${said.join(", ")}${consensus ? ", they agree" : ""}.`;
}

/** @param {RoundFrame["groups"]} groups */
function answersIn(groups) {
  const count = groups.filter(({ answer }) => answer !== null).length;
  return count === 1 ? "one answer" : `${count} answers`;
}

/** @param {string} answer */
function short(answer) {
  return answer.length > 40 ? `${answer.slice(0, 39)}…` : answer;
}
