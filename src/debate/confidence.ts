// The confidence that an agent states, as a number from 0 to 1.

/** Behind its name in a text: "Confidence: 0.8", "my confidence level is 85 %". The last one counts. */
const STATED =
  /\bconfidence(?:[ _]level)?\b["'*]{0,3}\s{0,3}(?:is|of|:|=)?\s{0,3}["'*]{0,3}\s{0,3}(-?\d{1,9}(?:\.\d{1,9})?)[ ]?(%|percent|per cent)?/gi;
const NUMBER = /^\s*(-?\d{1,9}(?:\.\d{1,9})?)\s*(%|percent|per cent)?\s*$/i;

/**
 * A stated confidence. From 0 to 1 it stands as it is. With a per cent sign, or as a whole number from 2 to 100, it is per
 * cent. Anything else, such as 1.5, -1, 120 or "high", is none: null.
 * @example confidenceValue("85%") // 0.85
 */
export function confidenceValue(stated: unknown): number | null {
  if (typeof stated !== "number" && typeof stated !== "string") return null;
  const match = NUMBER.exec(String(stated));
  return match === null ? null : inUnits(Number(match[1]), match[2] !== undefined);
}

/** The confidence that a text states; null when it states none. */
export function confidenceIn(text: string): number | null {
  const last = [...text.slice(-4096).matchAll(STATED)].at(-1);
  return last === undefined ? null : inUnits(Number(last[1]), last[2] !== undefined);
}

function inUnits(value: number, isPercent: boolean): number | null {
  if (isPercent) return value >= 0 && value <= 100 ? value / 100 : null;
  if (value >= 0 && value <= 1) return value;
  return Number.isInteger(value) && value >= 2 && value <= 100 ? value / 100 : null;
}
