// Helpers to find and create elements. Text is always inserted as text, never parsed as HTML.

/**
 * The page's element with that id.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (found instanceof type) return found;
  throw new Error(`the page has no ${type.name} ${id}`);
}

/**
 * A new element with properties set (className, title, …) and children appended, strings as text.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Partial<HTMLElementTagNameMap[K]>} [properties]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

/**
 * A bar filled to `share`, from 0 to 1. Hidden from screen readers, because the number stands beside it as text.
 *
 * @param {number} share
 * @param {string} [className]
 */
export function bar(share, className = "") {
  const fill = element("span");
  setBar(fill, share);
  const made = element("span", { className: `bar ${className}` }, fill);
  made.setAttribute("aria-hidden", "true");
  return made;
}

/**
 * @param {HTMLElement} fill
 * @param {number} share
 */
export function setBar(fill, share) {
  fill.style.inlineSize = `${Math.max(0, Math.min(1, share)) * 100}%`;
}
