// Numbers as the pages write them.

/** @param {number} value */
export function number(value) {
  return value.toLocaleString("en", { maximumFractionDigits: 1 });
}

/** @param {number} count */
export function tokens(count) {
  return `${number(count)} ${count === 1 ? "token" : "tokens"}`;
}

/**
 * A sum of money, to two digits that count.
 *
 * @param {number} usd
 */
export function dollars(usd) {
  if (usd === 0 || usd >= 1) return `$${usd.toFixed(2)}`;
  return `$${usd.toLocaleString("en", { maximumSignificantDigits: 2, maximumFractionDigits: 20 })}`;
}

/**
 * The sum; null when one is not known.
 *
 * @param {readonly (number | null)[]} values
 */
export function sumOf(values) {
  let sum = 0;
  for (const value of values) {
    if (value === null) return null;
    sum += value;
  }
  return sum;
}
