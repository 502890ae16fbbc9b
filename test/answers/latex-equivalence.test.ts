import assert from "node:assert/strict";
import { test } from "node:test";
import { canonicalLatex, latexEquivalent } from "../../src/answers/latex/equivalence.ts";

/** Each row is one value in several writings; writings of different rows are different values. */
const SAME: readonly (readonly string[])[] = [
  [
    "\\frac12",
    "\\frac{1}{2}",
    "\\dfrac{1}{2}",
    "\\tfrac12",
    "1/2",
    "0.5",
    ".5",
    "0.50",
    "$\\frac{1}{2}$",
    "½",
    "\\frac{2}{4}",
    "\\\\dfrac{1}{2}",
  ],
  ["240", "240\\text{ ways.}", "240 \\text{ ways}"],
  ["-\\frac{3}{10}", "\\frac{-3}{10}", "-0.3", "−0.3", "-3/10"],
  [
    "1000",
    "1,000",
    "1000.0",
    "$1000",
    "\\$1{,}000.00",
    "1,\\!000",
    "1, \\! 000",
    "10^3 = 1000",
    "1e3",
    "1\\times10^3",
    "€1,000",
  ],
  ["600000", "$600,000/year", "6\\!\\!00,\\!000"],
  ["\\sqrt3", "\\sqrt{3}", "√3"],
  ["\\frac{\\sqrt3}{2}", "\\frac{\\sqrt{3}}{2}", "\\frac{\\sqrt{3}}2", "\\sqrt{3}/2"],
  ["2\\frac{1}{2}", "2 1/2", "2.5", "\\frac52", "2\\frac12"],
  [
    "5",
    "x = 5",
    "x=5",
    "f(3) = 5",
    "5.",
    "5\\text{ cm}",
    "5\\text{ cm}^2",
    "5 apples",
    "5\\%",
    "5%",
    "5^\\circ",
    "5^{\\circ}",
    "(5)",
    "\\boxed{5}",
    "**5**",
    "five",
    "\\left(5\\right)",
    "5 miles/hour",
    "2 + 3 = 5",
    "5th",
    "\\text{5 square feet}",
    "5 km/h",
    "5 sec",
    "5 °C",
    "5^\\circ\\text{ C}",
  ],
  ["1.5 million", "1500000", "1{,}500\\text{ thousand}"],
  ["June 20", "\\text{June 20}"],
  ["4:30 pm", "\\text{4:30 p.m.}"],
  ["3 \\sec x", "3\\sec{x}"],
  ["\\left(3, \\frac{\\pi}{2}\\right)", "(3,\\pi/2)", "(3, \\frac{\\pi}{2})", "( 3 , \\dfrac \\pi 2 )"],
  ["(1,234)"],
  ["1234", "1,234"],
  ["\\{1,2\\}", "\\left\\{1, 2\\right\\}"],
  ["(2,1)"],
  ["[0,1)", "\\left[0,1\\right)", "x \\in [0,1)"],
  ["(0,1]"],
  ["(-\\infty, 2]", "x\\in(-\\infty,2]", "(-∞,2]"],
  ["\\text{Evelyn}", "Evelyn", "\\textbf{Evelyn}", "evelyn"],
  ["\\text{(B)}", "(B)", "B"],
  ["y = 2x+3", "2x+3"],
  ["x^2+y^2=1", "x^{2}+y^{2}=1"],
  ["10\\pi", "10π", "10 \\pi\\text{ cm}"],
  ["0.5x", "\\frac{1}{2}x", "\\frac12 x"],
  [
    "\\begin{pmatrix} 1/3 & 0.5 \\\\ -2 & 4\\end{pmatrix}",
    "\\begin{bmatrix} \\frac13 & \\frac12 \\\\ -2 & 4\\end{bmatrix}",
  ],
  ["3,5", "3 and 5", "3, 5", "x = 3 \\text{ or } x = 5"],
  ["5,3"],
  ["62, 124"],
  ["2x^{10}", "2x^10"],
  ["1011_2", "1011_{2}"],
  ["3:30 pm", "3:30 p.m.", "3:30 PM", "3:30\\text{ pm}"],
  ["3:30 am"],
  ["4.2", "\\text{(C) } 4.2"],
  ["\\frac{333}{1000}", "0.333"],
  ["\\frac13", "1/3"],
  ["-7", "-7.0", "- 7"],
  ["0", "-0", "0.0"],
];

test("each value has one canonical writing, and different values have different ones", () => {
  const owner = new Map<string, number>();
  for (const [row, writings] of SAME.entries()) {
    const keys = new Set(writings.map(canonicalLatex));
    assert.equal(
      keys.size,
      1,
      `${writings[0]}: ${writings.map((w) => `${w} → ${canonicalLatex(w)}`).join("; ")}`,
    );
    const [key] = keys;
    assert.ok(key !== undefined && key !== "");
    assert.equal(
      owner.get(key),
      undefined,
      `${writings[0]} shares ${key} with ${SAME[owner.get(key) ?? 0]?.[0]}`,
    );
    owner.set(key, row);
  }
});

test("a canonical writing is its own canonical writing", () => {
  for (const key of SAME.map(([writing]) => canonicalLatex(writing ?? "")))
    assert.equal(canonicalLatex(key), key);
});

test("a bare number is the same with a unit of one letter or a part of the day, which differ from each other", () => {
  for (const [a, b] of [
    ["2600g", "2600"],
    ["3.5", "3.5m"],
    ["2:00 pm", "2"],
    ["2:00 p.m.", "2 pm"],
    ["\\approx 3", "3"],
    ["60 m/s", "60"],
    ["9.8 m/s^2", "9.8"],
  ] as const) {
    assert.ok(latexEquivalent(a, b) && latexEquivalent(b, a), `${a}, ${b}`);
  }
  for (const [a, b] of [
    ["2 am", "2 pm"],
    ["3:30 pm", "3"],
    ["5x", "5"],
    ["5g", "5m"],
    ["g", ""],
    ["2g", "4"],
    ["k+5m", "k+5"],
    ["x^{2}m", "x^{2}"],
  ] as const) {
    assert.ok(!latexEquivalent(a, b) && !latexEquivalent(b, a), `${a}, ${b}`);
  }
});

test("nothing equals nothing", () => {
  assert.equal(latexEquivalent("", ""), false);
  assert.equal(latexEquivalent(" $ ", "."), false);
});

test("broken LaTeX is read without an error", () => {
  for (const broken of [
    "\\frac",
    "\\frac{1",
    "((((",
    "}}}}",
    "^^",
    "_",
    "\\sqrt[",
    "\\begin{",
    "\\left",
    "\\",
    "{",
    "\\frac{3}{0}",
  ]) {
    assert.equal(typeof canonicalLatex(broken), "string");
  }
  // Deeper than the reader descends.
  assert.equal(typeof canonicalLatex(`${"{".repeat(900)}5`), "string");
});
