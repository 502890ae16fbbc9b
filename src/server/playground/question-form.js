// The question form: reads its fields as a request's body and shows the server's errors at their fields. Validation is
// left to the server.
import { ChoicesEditor } from "./choices-editor.js";
import { byId, element } from "./dom.js";
import { EXAMPLES } from "./examples.js";

/** Fields that are omitted from the body if they have the server's default. */
const DEFAULTS = /** @type {const} */ ({ samples: "1", vote: "majority", early_stop: "exact" });
const NUMBERS = ["samples", "wave", "rounds", "temperature", "max_tokens", "top_p", "top_k", "seed"];
const SELECTS = ["vote", "early_stop"];

export class QuestionForm {
  #form = byId("form", HTMLFormElement);
  #question = byId("question", HTMLTextAreaElement);
  #passage = byId("passage", HTMLTextAreaElement);
  #task = byId("task", HTMLSelectElement);
  #error = byId("error", HTMLElement);
  #choices = new ChoicesEditor();

  /** @param {{ onSubmit(): void }} handlers */
  constructor({ onSubmit }) {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      onSubmit();
    });
    this.#form.addEventListener("input", ({ target }) => {
      if (target instanceof Element) target.removeAttribute("aria-invalid");
    });
    this.#task.addEventListener("change", () => {
      if (this.#task.value === "multiple-choice") this.#choices.open();
    });
    const examples = byId("examples", HTMLFieldSetElement);
    for (const example of EXAMPLES) {
      const button = element("button", { type: "button", className: "chip", textContent: example.name });
      button.addEventListener("click", () => this.#fill(example));
      examples.append(button);
    }
  }

  /**
   * The fields that the page has and that are filled in.
   *
   * @returns {Record<string, unknown>}
   */
  read() {
    /** @type {Record<string, unknown>} */
    const body = { question: this.#question.value };
    if (this.#task.value !== "") body.task = this.#task.value;
    const choices = this.#choices.read();
    if (choices.length > 0) body.choices = choices;
    if (this.#passage.value.trim() !== "") body.passage = this.#passage.value;
    for (const name of NUMBERS) {
      const field = document.getElementById(name);
      const text = field instanceof HTMLInputElement ? field.value.trim() : "";
      if (text !== "") body[name] = numberOr(text);
    }
    for (const name of SELECTS) {
      const field = document.getElementById(name);
      if (field instanceof HTMLSelectElement) body[name] = field.value;
    }
    for (const [name, value] of Object.entries(DEFAULTS)) if (String(body[name]) === value) delete body[name];
    return body;
  }

  clearError() {
    this.#error.hidden = true;
    this.#error.replaceChildren();
    for (const field of this.#form.querySelectorAll("[aria-invalid]")) {
      field.removeAttribute("aria-invalid");
      field.removeAttribute("aria-describedby");
    }
  }

  /**
   * Shows the server's error message and focuses the field that it names.
   *
   * @param {{ message: string, param: string | null, requestId: string | null, retryAfter: string | null }} error
   */
  showError({ message, param, requestId, retryAfter }) {
    this.clearError();
    this.#error.append(element("p", { textContent: message }));
    if (retryAfter !== null) {
      const seconds = Number(retryAfter);
      const words =
        seconds < 120
          ? `${seconds} s`
          : seconds < 7200
            ? `${Math.ceil(seconds / 60)} min`
            : `${Math.ceil(seconds / 3600)} h`;
      this.#error.append(element("p", { className: "hint", textContent: `Try again in ${words}.` }));
    }
    if (requestId !== null) {
      this.#error.append(element("p", { className: "hint", textContent: `request ${requestId}` }));
    }
    this.#error.hidden = false;
    const field = param === null ? null : this.#fieldOf(param);
    if (field === null) return;
    for (let around = field.parentElement; around !== null; around = around.parentElement) {
      if (around instanceof HTMLDetailsElement) around.open = true;
    }
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-describedby", this.#error.id);
    field.focus();
  }

  /**
   * @param {string} param
   * @returns {HTMLElement | null}
   */
  #fieldOf(param) {
    if (param.startsWith("choices")) {
      this.#choices.open();
      return this.#choices.inputFor(param) ?? byId("choice-add", HTMLElement);
    }
    const name = /^\w+/.exec(param)?.[0] ?? "";
    return this.#form.querySelector(`[data-param="${name}"] :is(input, select, textarea)`);
  }

  /** @param {import("./examples.js").Example} example */
  #fill({ question, choices, passage }) {
    this.clearError();
    this.#question.value = question;
    this.#passage.value = passage ?? "";
    byId("passage-section", HTMLDetailsElement).open = passage !== undefined;
    this.#choices.set(choices ?? []);
    this.#task.value = "";
    this.#question.focus();
  }
}

/**
 * The text as a number, or unchanged if it is none: the server then reports the error.
 *
 * @param {string} text
 */
function numberOr(text) {
  const value = Number(text);
  return Number.isFinite(value) ? value : text;
}
