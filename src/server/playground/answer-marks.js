// The marks of a debate's answers: each has a letter or a number, and a colour, the same wherever it stands.
import { element } from "./dom.js";

/** Further answers share a grey. */
const COLOURS = 8;
const LETTERS = 26;

/**
 * Numbers where answers are choices, which have letters; else letters, since answers are often numbers.
 *
 * @param {number} group
 * @param {boolean} hasChoices
 */
export function markOf(group, hasChoices) {
  if (hasChoices || group >= LETTERS) return String(group + 1);
  return String.fromCharCode(65 + group);
}

/**
 * The name of a group's colour in debate.css.
 *
 * @param {number | null} group null: without an answer
 */
export function colourOf(group) {
  if (group === null) return "none";
  return group < COLOURS ? String(group) : "more";
}

/**
 * @param {number | null} group
 * @param {boolean} hasChoices
 */
export function answerMark(group, hasChoices) {
  const mark = element("span", {
    className: "mark",
    textContent: group === null ? "–" : markOf(group, hasChoices),
  });
  mark.dataset.colour = colourOf(group);
  if (group === null) mark.setAttribute("aria-hidden", "true");
  return mark;
}

/**
 * "✓ right", "✗ wrong", or nothing where that is not known.
 *
 * @param {boolean | null} correct
 */
export function verdictMark(correct) {
  if (correct === null) return [];
  const word = correct ? "right" : "wrong";
  const sign = element("span", { textContent: correct ? "✓ " : "✗ " });
  sign.setAttribute("aria-hidden", "true");
  return [element("span", { className: `verdict-mark ${word}` }, sign, word)];
}
