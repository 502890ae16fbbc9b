// Arithmetic on sizes, some of which are known only by name: a product is a number times names, "4·B·T".

import type { Dimension } from "./graph.ts";

const TIMES = "·";

/** A product's number, and its names in order. */
function factors(size: Dimension): { number: number; names: string[] } {
  if (typeof size === "number") return { number: size, names: [] };
  const [first = "", ...rest] = size.split(TIMES);
  return /^\d+$/.test(first)
    ? { number: Number(first), names: rest }
    : { number: 1, names: [first, ...rest] };
}

function compose(number: number, names: readonly string[]): Dimension {
  if (names.length === 0 || number === 0) return number;
  const sorted = [...names].sort();
  return (number === 1 ? sorted : [String(number), ...sorted]).join(TIMES);
}

/** The product, always written in the same way, so that sizes can be compared. */
export function productOf(sizes: readonly Dimension[]): Dimension {
  let number = 1;
  const names: string[] = [];
  for (const size of sizes) {
    const parts = factors(size);
    number *= parts.number;
    names.push(...parts.names);
  }
  return compose(number, names);
}

/** total / part; null where it is not known to be a whole number. */
export function quotientOf(total: Dimension, part: Dimension): Dimension | null {
  const [over, under] = [factors(total), factors(part)];
  if (under.number === 0 || over.number % under.number !== 0) return null;
  const names = [...over.names];
  for (const name of under.names) {
    const at = names.indexOf(name);
    if (at < 0) return null;
    names.splice(at, 1);
  }
  return compose(over.number / under.number, names);
}
