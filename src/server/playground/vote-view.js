// The vote: standings while samples finish, then the winner.
import { bar, byId, element, setBar } from "./dom.js";

/** @typedef {import("../reason/schema.ts").ReasonResponse} ReasonResponse */
/** @typedef {readonly { label: string, text: string }[]} Choices */

/** @type {Readonly<Record<ReasonResponse["stop_reason"], string>>} */
const STOPS = {
  complete: "all samples counted",
  exact: "the remaining samples could not change it",
  adaptive: "the remaining samples were unlikely to change it",
  enough: "settled by you",
  abort: "the server ended it early",
};

export class VoteView {
  #phase = byId("phase", HTMLElement);
  #answer = byId("answer", HTMLElement);
  #note = byId("verdict-note", HTMLElement);
  #section = byId("votes-section", HTMLElement);
  #votes = byId("votes", HTMLOListElement);
  #votesNote = byId("votes-note", HTMLElement);
  /** @type {Choices} */
  #choices = [];

  /** @param {Choices} choices the question's, to show the text of a label */
  start(choices) {
    this.#choices = choices;
    this.phase("Asking…");
    this.#answer.replaceChildren();
    this.#answer.classList.remove("decided");
    this.#note.textContent = "";
    this.#section.hidden = true;
    this.#votes.replaceChildren();
    this.#votesNote.textContent = "";
  }

  /** @param {string} words */
  phase(words) {
    this.#phase.textContent = words;
  }

  /**
   * @param {ReasonResponse["votes"]} votes
   * @param {number} remaining
   */
  show(votes, remaining) {
    this.#section.hidden = votes.length === 0;
    while (this.#votes.children.length > votes.length) this.#votes.lastElementChild?.remove();
    for (const [index, vote] of votes.entries()) {
      const row = this.#votes.children[index] ?? this.#votes.appendChild(voteRow());
      const [name, fill, count] = ["name", "bar > span", "count"].map((part) =>
        row.querySelector(`.${part}`),
      );
      if (name) name.textContent = this.#named(vote.answer);
      if (fill instanceof HTMLElement) setBar(fill, vote.share);
      const votesCast = `${vote.count} ${vote.count === 1 ? "vote" : "votes"}`;
      const weighed = vote.weight === vote.count ? "" : `, weight ${vote.weight.toFixed(1)}`;
      if (count) count.textContent = `${votesCast}${weighed} · ${Math.round(vote.share * 100)} %`;
    }
    this.#votesNote.textContent = remaining === 0 ? "" : `${remaining} not counted yet`;
  }

  /** @param {ReasonResponse} response */
  decide(
    { answer, votes, decided_at: decidedAt, stop_reason: stop, task, seed },
    /** @type {number} */ samples,
  ) {
    this.show(votes, 0);
    this.phase(answer === null ? "No answer" : "Answer");
    if (answer === null) this.#answer.textContent = "None of the samples had a readable answer.";
    else this.#showAnswer(answer);
    const counted = samples === 1 ? "One sample" : `Decided at ${decidedAt} of ${samples} samples`;
    this.#note.textContent = [counted, STOPS[stop], `task ${task}`, `seed ${seed}`].join(" · ");
  }

  /** @param {string} answer */
  #showAnswer(answer) {
    const meaning = this.#meaningOf(answer);
    this.#answer.replaceChildren(element("strong", { className: "value", textContent: answer }));
    if (meaning !== null)
      this.#answer.append(element("span", { className: "meaning", textContent: meaning }));
    this.#answer.classList.add("decided");
    this.#answer.classList.toggle("long", answer.length > 24);
  }

  /** @param {string} answer */
  #named(answer) {
    const meaning = this.#meaningOf(answer);
    return meaning === null ? answer : `${answer}  ${meaning}`;
  }

  /** @param {string} answer */
  #meaningOf(answer) {
    return this.#choices.find(({ label }) => label.toLowerCase() === answer.toLowerCase())?.text ?? null;
  }
}

function voteRow() {
  return element(
    "li",
    {},
    element("span", { className: "name" }),
    bar(0),
    element("span", { className: "count" }),
  );
}
