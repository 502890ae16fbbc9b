// The editor for a question's choices: rows with a label and a text.
import { byId, element } from "./dom.js";

const MAX_CHOICES = 26;

export class ChoicesEditor {
  #section = byId("choices-section", HTMLDetailsElement);
  #list = byId("choices", HTMLOListElement);
  #count = byId("choices-count", HTMLElement);
  #addButton = byId("choice-add", HTMLButtonElement);

  constructor() {
    this.#addButton.addEventListener("click", () => this.#add("").focus());
    this.#list.addEventListener("input", () => this.#refresh());
  }

  /** Opens the section, with at least two rows. */
  open() {
    this.#section.open = true;
    while (this.#list.children.length < 2) this.#add("");
  }

  /** @param {readonly string[]} texts */
  set(texts) {
    this.#list.replaceChildren();
    for (const text of texts) this.#add(text);
    this.#section.open = texts.length > 0;
    this.#refresh();
  }

  /**
   * The rows with text, as the request's `choices`.
   *
   * @returns {{ label: string, text: string }[]}
   */
  read() {
    return this.#filled().map((row) => ({
      label: inputOf(row, "label").value,
      text: inputOf(row, "text").value,
    }));
  }

  /**
   * The input for an error's param such as "choices[1].text", or null.
   *
   * @param {string} param
   */
  inputFor(param) {
    const [, index, field] = /^choices\[(\d+)\](?:\.(\w+))?/.exec(param) ?? [];
    const row = index === undefined ? undefined : this.#filled()[Number(index)];
    return row === undefined ? null : inputOf(row, field === "label" ? "label" : "text");
  }

  #filled() {
    return [...this.#list.children].filter((row) => inputOf(row, "text").value.trim() !== "");
  }

  /** @param {string} value */
  #add(value) {
    const letter = this.#freeLetter();
    const label = element("input", { type: "text", className: "label", value: letter, maxLength: 16 });
    const text = element("input", {
      type: "text",
      className: "text",
      value,
      placeholder: "Text of the choice",
    });
    const remove = element("button", { type: "button", className: "quiet", textContent: "×" });
    label.setAttribute("aria-label", `Label of choice ${letter}`);
    text.setAttribute("aria-label", `Text of choice ${letter}`);
    remove.setAttribute("aria-label", `Remove choice ${letter}`);
    const row = element("li", {}, label, text, remove);
    remove.addEventListener("click", () => {
      row.remove();
      this.#refresh();
      this.#addButton.focus();
    });
    this.#list.append(row);
    this.#refresh();
    return text;
  }

  #freeLetter() {
    const used = new Set([...this.#list.children].map((row) => inputOf(row, "label").value));
    const letters = Array.from({ length: MAX_CHOICES }, (_, index) => String.fromCharCode(65 + index));
    return letters.find((letter) => !used.has(letter)) ?? "";
  }

  #refresh() {
    const { length } = this.#filled();
    this.#count.textContent = length === 0 ? "" : `(${length})`;
    this.#addButton.disabled = this.#list.children.length >= MAX_CHOICES;
  }
}

/**
 * @param {Element} row
 * @param {"label" | "text"} field
 * @returns {HTMLInputElement}
 */
function inputOf(row, field) {
  const input = row.querySelector(`input.${field}`);
  if (input instanceof HTMLInputElement) return input;
  throw new Error(`a choice's row has no ${field}`);
}
