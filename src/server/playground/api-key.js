// The API key, if the server needs one: asks for it and keeps it in this tab's session storage.
import { byId } from "./dom.js";

const STORED = "magdi-api-key";

export class ApiKey {
  #panel = byId("key-panel", HTMLElement);
  #input = byId("key", HTMLInputElement);
  #onChange;

  /** @param {{ onChange(): void }} handlers */
  constructor({ onChange }) {
    this.#onChange = onChange;
    this.#input.value = sessionStorage.getItem(STORED) ?? "";
    byId("key-use", HTMLButtonElement).addEventListener("click", () => this.#use());
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      this.#use();
    });
  }

  /** @returns {string | null} */
  get value() {
    const key = this.#input.value.trim();
    return key === "" ? null : key;
  }

  /** Shows the field after a 401. */
  ask() {
    this.#panel.hidden = false;
    if (this.value !== null) this.#input.setAttribute("aria-invalid", "true");
    this.#input.focus();
  }

  #use() {
    this.#input.removeAttribute("aria-invalid");
    if (this.value === null) sessionStorage.removeItem(STORED);
    else sessionStorage.setItem(STORED, this.value);
    this.#onChange();
  }

  /** Stores the key after the server has accepted it. */
  keep() {
    if (this.value !== null) sessionStorage.setItem(STORED, this.value);
    this.#input.removeAttribute("aria-invalid");
    this.#panel.hidden = true;
  }
}
