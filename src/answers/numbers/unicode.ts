// Writes numbers in the plain characters that the readers know: superscripts and subscripts as ^{…} and _{…}, fractions
// of one character as 3/4, full-width characters as ASCII; and drops currencies before numbers, other than plain signs.

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣʸᵗᵐᵏ";
const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙᵢₓₘₖₐₑⱼ";
const PLAIN = new Map([
  ...Array.from(SUPERSCRIPTS, (sign, at) => [sign, "0123456789+-=()nixytmk"[at] ?? ""] as const),
  ...Array.from(SUBSCRIPTS, (sign, at) => [sign, "0123456789+-=()nixmkaej"[at] ?? ""] as const),
]);

/** Numerator and denominator. */
const FRACTIONS: Record<string, readonly [bigint, bigint]> = {
  "½": [1n, 2n],
  "⅓": [1n, 3n],
  "⅔": [2n, 3n],
  "¼": [1n, 4n],
  "¾": [3n, 4n],
  "⅕": [1n, 5n],
  "⅖": [2n, 5n],
  "⅗": [3n, 5n],
  "⅘": [4n, 5n],
  "⅙": [1n, 6n],
  "⅚": [5n, 6n],
  "⅐": [1n, 7n],
  "⅛": [1n, 8n],
  "⅜": [3n, 8n],
  "⅝": [5n, 8n],
  "⅞": [7n, 8n],
  "⅑": [1n, 9n],
  "⅒": [1n, 10n],
};
const QUOTIENTS = new Map(Object.entries(FRACTIONS).map(([sign, parts]) => [sign, parts.join("/")]));
const FRACTION_SIGNS = Object.keys(FRACTIONS).join("");
/** A fraction of one character, with the whole number of a mixed number; digits beyond the bound are left alone. */
const VULGAR = new RegExp(
  String.raw`(?:(?<![\d.,])(\d{1,3}(?:,\d{3}){1,6}|\d{1,20})([ \u00a0\u2009\u2064]?))?([${FRACTION_SIGNS}])`,
  "g",
);
const RAISED_FRACTION = new RegExp(String.raw`\^([${FRACTION_SIGNS}])`, "g");
/** ³⁄₄ and ¹/₂. */
const STACKED = /(?:(?<![\d.,])(\d{1,20})\s?)?([⁰¹²³⁴-⁹]{1,9})[⁄/∕]([₀-₉]{1,9})/g;

const RAISED = new RegExp(`[${SUPERSCRIPTS}]+`, "g");
const LOWERED = new RegExp(`[${SUBSCRIPTS}]+`, "g");

/** ISO codes and abbreviations that stand before amounts, and letters before a dollar sign. */
const CURRENCY = new RegExp(
  [
    String.raw`(?<![\p{L}\p{N}\\$])(?:Rs\.?|Php|kr\.?|Fr\.|RM`,
    "|USD|EUR|GBP|INR|CAD|AUD|NZD|SGD|HKD|CHF|JPY|CNY|RMB|KRW|PHP|MXN|BRL|ZAR|SEK|NOK|DKK|PLN|RUB|TRY|THB|IDR|VND|AED)",
    String.raw`[ \u00a0]?\\?\$?(?=[-−]?[\d.]*\d)`,
    String.raw`|(?<![\p{L}\p{N}\\$])(?:US|CA|CAN|C|AU|A|NZ|HK|NT|MX|R|S)\\?\$[ \u00a0]?(?=[-−]?\.?\d)`,
    // Signs other than those that the readers know; the sign of the number may stand on either side.
    String.raw`|(?![$£€¥₹¢])\p{Sc}[ \u00a0]?(?=[-−]?\.?\d)`,
  ].join(""),
  "gu",
);

const CURRENCY_IN_TEXT = /\\(?:text|mathrm)\s?\{\s?(?:Rs\.?|USD|EUR|GBP|INR)\s?\}\s?(?:\\,)?(?=[-−]?\d)/g;

/** Full-width ASCII, and the brackets and colons used with it. Each becomes one character. */
const WIDE = /[\uff01-\uff5e\u3010\u3011\u3014\u3015\ufe55]/g;
const WIDE_BRACKETS: Record<string, string> = { "【": "[", "】": "]", "〔": "[", "〕": "]", "﹕": ":" };

/**
 * @example plainNumbers("1½ × 10⁻³, ＝ Rs. 750") // "3/2 × 10^{-3}, = 750"
 */
export function plainNumbers(text: string): string {
  const ascii = /[^\p{ASCII}]/u.test(text) ? plainCharacters(text) : text;
  return ascii.replace(CURRENCY_IN_TEXT, "").replace(CURRENCY, "");
}

function plainCharacters(text: string): string {
  return (
    text
      .replace(WIDE, (wide) => WIDE_BRACKETS[wide] ?? String.fromCharCode(wide.charCodeAt(0) - 0xfee0))
      .replace(STACKED, (_, whole: string | undefined, above: string, below: string) =>
        written(whole, BigInt(plainOf(above)), BigInt(plainOf(below))),
      )
      // 2^½
      .replace(RAISED_FRACTION, (_, fraction: string) => `^{${QUOTIENTS.get(fraction) ?? ""}}`)
      .replace(VULGAR, (sign, whole: string | undefined, space: string | undefined, fraction: string) => {
        if (whole === undefined) return QUOTIENTS.get(fraction) ?? sign;
        const [above, below] = FRACTIONS[fraction] ?? [0n, 0n];
        if (below === 0n) return sign;
        return space ? `${whole} ${above}/${below}` : written(whole, above, below);
      })
      .replace(/(?<=\d)\s?[⁄∕]\s?(?=\d)/g, "/")
      .replace(RAISED, (signs) => `^{${plainOf(signs)}}`)
      .replace(LOWERED, (signs) => `_{${plainOf(signs)}}`)
  );
}

/** The mixed number as one fraction: 1½ → 3/2. */
function written(whole: string | undefined, above: bigint, below: bigint): string {
  if (whole === undefined) return `${above}/${below}`;
  const wholes = BigInt(whole.replaceAll(",", ""));
  return `${wholes * below + above}/${below}`;
}

function plainOf(signs: string): string {
  let plain = "";
  for (const sign of signs) plain += PLAIN.get(sign) ?? sign;
  return plain;
}
