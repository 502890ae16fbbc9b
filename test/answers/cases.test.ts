// Answers that were once read wrong, one test for each kind, and their neighbours: as they are read from one text, and
// as two texts are counted as one vote.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { answersEqual, canonicalAnswer, extractAnswer } from "../../src/answers/answer.ts";
import type { Choice, Task } from "../../src/answers/task.ts";

interface Case {
  readonly id: string;
  readonly kind: string;
  readonly op: "extract" | "equal";
  readonly task: Task;
  readonly choices?: readonly string[];
  readonly text?: string;
  readonly a?: string;
  readonly b?: string;
  readonly want: string | boolean | null;
}

// The file is written by hand of records of this shape.
const CASES = readFileSync(new URL("cases.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Case);

function labelled(texts: readonly string[] | undefined): Choice[] | null {
  return texts?.map((text, at) => ({ label: "ABCDEFGHIJ"[at] ?? "", text })) ?? null;
}

for (const kind of new Set(CASES.map((one) => one.kind))) {
  test(`recorded: ${kind}`, () => {
    for (const { id, op, task, text = "", a = "", b = "", want, ...one } of CASES.filter(
      (c) => c.kind === kind,
    )) {
      const choices = labelled(one.choices);
      if (op === "extract") assert.equal(extractAnswer(task, text, { choices }), want, id);
      else {
        assert.equal(answersEqual(task, a, b, { choices }), want, id);
        const keys = [a, b].map((answer) => canonicalAnswer(task, answer, { choices }));
        assert.equal(keys[0] === keys[1], want, `${id}: ${keys}`);
      }
    }
  });
}

type Rows = readonly (readonly [text: string, answer: string | null])[];

function choose(texts: readonly string[], rows: Rows): void {
  const choices = labelled(texts);
  for (const [text, answer] of rows)
    assert.equal(extractAnswer("multiple-choice", text, { choices }), answer, `${texts}: ${text}`);
}

function read(task: Task, rows: Rows): void {
  for (const [text, answer] of rows) assert.equal(extractAnswer(task, text), answer, text);
}

test("choices that are numbers or formulas", () => {
  choose(
    ["4", "-4", "9", "-9"],
    [
      ["x = -9", "D"],
      ["The answer is −9.", "D"],
      ["The answer is $-9$.", "D"],
      ["$x=-9$", "D"],
      ["So \\(x = -9\\).", "D"],
      ["The answer is minus nine.", "D"],
      ["The answer is nine.", "C"],
      ["The answer is x = 4, not -4.", "A"],
      ["9 - 13 = -4", "B"],
      ["13 - 9 = 4", "A"],
      ["The answer is: - 9", "D"],
      ["Answer: (D) -9", "D"],
      ["D. -9", "D"],
      ["-9", "D"],
      ["The answer is -9 because 5 - 14 = -9.", "D"],
      ["We get 9 - 4.", null],
      ["The answer is (-9).", "D"],
      ["**-9**", "D"],
      ["#### -9", "D"],
      ["\\boxed{-9}", "D"],
      ["<answer>-9</answer>", "D"],
      ["The answer is B, which is -4.", "B"],
      ["It is 4.0", "A"],
      ["The answer is -9 or 9.", null],
      ["The answer is 4 and -4.", null],
      ["The answer is $\\pm 4$.", null],
      ["So x^4 + 1.", null],
      ["sqrt(9)", null],
      ["The answer is \\sqrt{9}.", null],
      ["The answer is 49.", null],
      ["4 + 5 = 9", "C"],
      ["The answer is +4.", "A"],
      ["The solution is -9.", "D"],
    ],
  );
  choose(
    ["600", "2,600", "26"],
    [
      ["The answer is 2,600.", "B"],
      ["The answer is 2600.", "B"],
      ["2{,}600", "B"],
      ["The answer is 2 600.", "B"],
      ["They have 2600 people.", "B"],
      ["There are 2,600 people.", "B"],
      ["The answer is 600 dollars.", "A"],
      ["The answer is 2.6 thousand.", "B"],
      ["The answer is 2.6 × 10³.", "B"],
      ["It's $2,600", "B"],
      ["two thousand six hundred", "B"],
      ["The answer is 26.0.", "C"],
      ["The answer is 12,600.", null],
    ],
  );
  choose(
    ["$12", "$1.20", "$120"],
    [
      ["The answer is $12.00.", "A"],
      ["The answer is 12 dollars.", "A"],
      ["The answer is $120.", "C"],
      ["It costs $1.20.", "B"],
      ["She pays 1.2 dollars", "B"],
      ["The answer is $12.50.", null],
      ["\\boxed{\\$120}", "C"],
    ],
  );
  choose(
    ["1/5", "2/5", "1", "5"],
    [
      ["The answer is 0.4.", "B"],
      ["The answer is two fifths.", "B"],
      ["The answer is ⅖.", "B"],
      ["The answer is \\dfrac25.", "B"],
      ["So we get 2/5.", "B"],
      ["So we get \\frac{2}{5}.", "B"],
      ["So we get $\\frac{2}{5}$.", "B"],
      ["The answer is 40%.", null],
      ["It is 5/5.", "C"],
      ["The answer is 1.", "C"],
      ["The answer is 1/4.", null],
      ["The answer is 5/2.", null],
    ],
  );
  choose(
    ["5", "4", "√5"],
    [
      ["So the side is \\sqrt{5}.", "C"],
      ["So $\\sqrt{5}$.", "C"],
      ["The answer is √5", "C"],
      ["The answer is \\sqrt5.", "C"],
      ["The side is 2√5.", null],
      ["The answer is 5√5.", null],
      ["The answer is 4/5.", null],
    ],
  );
  choose(
    ["x < 7", "x > 7", "x ≤ 7", "x ≥ 7"],
    [
      ["x > 7", "B"],
      ["The answer is x ≥ 7.", "D"],
      ["The answer is x >= 7.", "D"],
      ["The answer is $x \\geq 7$.", "D"],
      ["So x<7.", "A"],
      ["The answer is x \\le 7", "C"],
      ["So $x\\ge7$.", "D"],
      ["The answer is x = 7.", null],
    ],
  );
  choose(
    ["Cl", "Cl-", "Cl+"],
    [
      ["The ion is Cl-.", "B"],
      ["The answer is Cl.", "A"],
      ["The answer is Cl⁻.", "B"],
      ["The answer is Cl^-.", "B"],
      ["It must be Cl+", "C"],
      ["Cl", "A"],
    ],
  );
  choose(
    ["50%", "5%", "0.5%"],
    [
      ["The answer is 50%.", "A"],
      ["The answer is 50 percent.", "A"],
      ["The answer is 0.5%.", "C"],
      ["It is 5.0%", "B"],
      ["The answer is 50\\%", "A"],
    ],
  );
  choose(
    ["5 cm", "5 m", "50 cm"],
    [
      ["The answer is 5 m.", "B"],
      ["The answer is 5 cm.", "A"],
      ["The answer is 5 centimeters.", "A"],
      ["The answer is 5.0 m.", "B"],
      ["It is 50 cm long.", "C"],
      ["The answer is 5.", null],
      ["The answer is 50.", "C"],
      ["It is 50 m.", null],
    ],
  );
  choose(
    ["7", "8", "9", "10"],
    [
      ["The answer is 7.5.", null],
      ["It is 7.5", null],
      ["It took 10.5 hours.", null],
      ["The answer is 7.", "A"],
      ["The answer is 7.0.", "A"],
      ["The answer is 17.", null],
      ["It is 7 hours.", "A"],
      ["15/2 = 7.5, so (B)", "B"],
      ["The answer is 7.5, so (B).", "B"],
      ["The answer is ten.", "D"],
      ["The answer is about 8.", "B"],
      ["The answer is [8].", "B"],
      ["It is 2^8.", null],
      ["The answer is 8:30.", null],
      ["The answer is -8.", null],
    ],
  );
  choose(
    ["2x + 1", "2x - 1", "x^2", "x^3"],
    [
      ["The answer is 2x-1.", "B"],
      ["The answer is $2x+1$.", "A"],
      ["The answer is x².", "C"],
      ["It is x³.", "D"],
      ["So $x^{3}$", "D"],
      ["The answer is 2x.", null],
      ["f(x) = 2x - 1", "B"],
    ],
  );
  choose(
    ["non-metal", "metal", "metalloid"],
    [
      ["The answer is non-metal.", "A"],
      ["It is a metal.", "B"],
      ["It is a non-metal.", "A"],
    ],
  );
  choose(
    ["H2O", "CO2", "O2"],
    [
      ["The answer is H₂O.", "A"],
      ["The answer is CO_2.", "B"],
      ["\\boxed{\\text{CO}_2}", "B"],
      ["It is O₂.", "C"],
      ["It is $CO_2$", "B"],
    ],
  );
  choose(
    ["3:00 pm", "3:30 pm"],
    [
      ["The answer is 3:30 pm.", "B"],
      ["at 3:30 PM", "B"],
    ],
  );
  choose(
    ["10 to 20", "20 to 30"],
    [
      ["The answer is 20 to 30.", "B"],
      ["It is 10 to 20.", "A"],
    ],
  );
  choose(
    ["5 apples", "5 oranges", "3 apples"],
    [
      ["The answer is 5 oranges.", "B"],
      ["He has 3 apples.", "C"],
      ["The answer is 5.", null],
      ["The answer is 3.", "C"],
    ],
  );
  choose(
    ["-1", "1", "0"],
    [
      ["The answer is -1.", "A"],
      ["i^2 = -1", "A"],
      ["It is -1", "A"],
      ["The answer is 0.", "C"],
      ["The answer is zero.", "C"],
    ],
  );
  choose(
    ["10^3", "10^-3", "10^4"],
    [
      ["The answer is 10⁻³.", "B"],
      ["The answer is 10^{-3}.", "B"],
      ["The answer is 1000.", "A"],
      ["The answer is 0.001", "B"],
      ["It is 10⁴", "C"],
      ["The answer is 10^4.", "C"],
      ["It's 10,000", "C"],
    ],
  );
  choose(
    ["(2, 3)", "(3, 2)"],
    [
      ["The answer is (3, 2).", "B"],
      ["$(2,3)$", "A"],
      ["The point is (3,2).", "B"],
    ],
  );
  choose(["$1,000 to $2,000", "more than $2,000"], [["The answer is more than $2,000.", "B"]]);
});

test("I and A are words too", () => {
  choose(
    ["item p", "item q", "item r", "item s", "item t", "item u", "item v", "item w", "item y", "item z"],
    [
      ["I would take G.", "G"],
      ["I think the answer is H.", "H"],
      ["I'd pick (G)", "G"],
      ["I", "I"],
      ["(I)", "I"],
      ["The answer is I.", "I"],
      ["The answer is I because it fits.", "I"],
      ["I. item y", "I"],
      ["The answer I chose is B.", "B"],
      ["Answer: I", "I"],
      ["I believe option C is best.", "C"],
      ["Answer: I am going with D.", "D"],
      ["I chose A", "A"],
      ["I pick G.", "G"],
      ["My choice I settled on: (E)", "E"],
      ["Answer: I'd say J", "J"],
      ["Answer: I is right", "I"],
    ],
  );
  choose(
    ["ship", "train", "plane"],
    [
      ["A was ruled out, so (C)", "C"],
      ["The answer is: A was ruled out, so C", null],
      ["A is wrong. B is wrong. The answer is C.", "C"],
      ["Answer: A is incorrect, so it must be (B).", "B"],
      ["A would be right. The answer is A", "A"],
      ["A is correct.", "A"],
      ["A ship", "A"],
      ["A train is best.", "B"],
      ["Answer: A", "A"],
      ["Answer: A plane", "C"],
      ["Answer: B was eliminated; (C) remains.", "C"],
      ["A can be excluded. (B) is the answer.", "B"],
    ],
  );
});

test("brackets around labels", () => {
  choose(
    ["north", "south", "east", "west"],
    [
      ["[C]", "C"],
      ["[[C]]", "C"],
      ["\\boxed{[C]}", "C"],
      ["{C}", "C"],
      ["（C）", "C"],
      ["Answer：C", "C"],
      ["【C】", "C"],
      ["**[C]**", "C"],
      ["The answer is \\boxed{{C}}", "C"],
      ["The answer is [C] east.", "C"],
      ["Final answer: [[C]] east", "C"],
      ["I pick [C].", "C"],
      ["So it's {C}.", "C"],
      ["Ｃ", "C"],
      ["The answer is （Ｃ）。", "C"],
      ["\\boxed{\\text{[C]}}", "C"],
      ['"C"', "C"],
      ["(C", "C"],
      ["The answer is <C>.", "C"],
      ["Answer: [B] or [C]", null],
      ["The answer is `C`.", "C"],
      ["The answer is [[C]].", "C"],
      ["(c)", "C"],
      ["The best is [c].", "C"],
      ["Answer:\n[C]", "C"],
      ["$\\boxed{\\mathrm{C}}$", "C"],
    ],
  );
});

test("a choice's own text wins over a label", () => {
  choose(
    ["D flat", "E flat", "A minor", "B major"],
    [
      ["The answer is D flat.", "A"],
      ["D flat", "A"],
      ["It is in B major.", "D"],
      ["The answer is D.", "D"],
      ["The answer is A minor.", "C"],
      ["A. D flat", "A"],
      ["The answer is A.", "A"],
      ["Answer: A", "A"],
      ["B: E flat", "B"],
      ["The answer is (D) B major", "D"],
      ["The answer is C, A minor.", "C"],
      ["It is A minor", "C"],
    ],
  );
  choose(
    ["Rust", "Go", "Java", "C++"],
    [
      ["The answer is C++.", "D"],
      ["C++", "D"],
      ["C", "C"],
      ["The answer is C#.", null],
      ["It must be C++.", "D"],
      ["The answer is C.", "C"],
      ["The answer is Java.", "C"],
      ["The answer is JavaScript.", null],
      ["C. Java", "C"],
      ["Answer: C++ (D)", "D"],
    ],
  );
  choose(
    ["C. P. Snow", "B. Traven", "A. S. Byatt"],
    [
      ["The answer is A. S. Byatt.", "C"],
      ["A. S. Byatt", "C"],
      ["The answer is B. Traven.", "B"],
      ["The answer is C. P. Snow", "A"],
      ["The answer is A.", "A"],
      ["It is by A. S. Byatt.", "C"],
      ["C. A. S. Byatt", "C"],
      ["\\boxed{A. S. Byatt}", "C"],
    ],
  );
  choose(
    ["A", "B", "AB", "O"],
    [
      ["The answer is AB.", "C"],
      ["The answer is O.", "D"],
      ["The answer is A.", "A"],
    ],
  );
  choose(
    ["vitamin A", "vitamin C", "vitamin D"],
    [
      ["The answer is vitamin C.", "B"],
      ["The answer is C.", "C"],
      ["It is vitamin D", "C"],
    ],
  );
  choose(
    ["World War I", "World War II"],
    [
      ["The answer is World War II.", "B"],
      ["It was World War I.", "A"],
    ],
  );
});

test("initials and abbreviations do not end a sentence", () => {
  read("free", [
    ["The answer is H. G. Wells.", "H. G. Wells"],
    ["The answer is E. Forster.", "E. Forster"],
    ["The answer is H. G. Wells. He wrote it in 1895.", "H. G. Wells"],
    ["The answer is Harry S. Truman, who followed Roosevelt.", "Harry S. Truman, who followed Roosevelt"],
    ["The answer is John F. Kennedy. It was close.", "John F. Kennedy"],
    ["The answer is J. K. Rowling. The book sold well.", "J. K. Rowling"],
    ["The answer is J.R.R. Tolkien.", "J.R.R. Tolkien"],
    ["The answer is George W. Bush. Gore lost.", "George W. Bush"],
    ["The answer is Ft. Knox.", "Ft. Knox"],
    ["The answer is St. Louis.", "St. Louis"],
    ["The answer is Vitamin C. Oranges have it.", "Vitamin C"],
    ["The answer is the U.S. The war ended there.", "the U.S"],
    ["The answer is Mt. Everest.", "Mt. Everest"],
    ["The answer is Capt. Cook.", "Capt. Cook"],
    ["The answer is -8.", "-8"],
    ["The answer is - Paris.", "Paris"],
    ["The answer is –8 °C.", "–8 °C"],
    ["Answer: [Paris]", "Paris"],
    ["Answer：Paris", "Paris"],
    ["The answer is 3.5 km.", "3.5 km"],
    ["The answer is C++.", "C++"],
    ["The answer is C#.", "C#"],
    ["It was B+.", "It was B+"],
    ["The answer is Ulysses S. Grant.", "Ulysses S. Grant"],
    ["The answer is Washington, D.C.", "Washington, D.C"],
    ["The answer is Samuel L. Jackson. He stars in it.", "Samuel L. Jackson"],
    ["The answer is Sgt. Pepper.", "Sgt. Pepper"],
    ["The author is J. D. Salinger.", "The author is J. D. Salinger"],
    ["The answer is Plan B. Then they left.", "Plan B"],
    ["The answer is Op. 27.", "Op. 27"],
    ["The answer is Lt. Col. Smith.", "Lt. Col. Smith"],
    ["The answer is Martin Luther King Jr.", "Martin Luther King Jr"],
    ["The answer is Dr. J. Watson.", "Dr. J. Watson"],
    ["The answer is W. E. B. Du Bois.", "W. E. B. Du Bois"],
  ]);
});

test("free answers keep signs and symbols", () => {
  for (const [a, b, same] of [
    ["-8", "8", false],
    ["−8", "-8", true],
    ["B+", "B-", false],
    ["B+", "B", false],
    ["C++", "C#", false],
    ["C++", "C", false],
    ["A*", "A", false],
    ["Na+", "Na", false],
    ["Cl-", "Cl", false],
    ["Cl−", "Cl-", true],
    ["3.5 km", "3 5 km", false],
    ["3.5 km", "3.5 kilometers", false],
    ["3.50 km", "3.5 km", true],
    ["3,500 m", "3500 m", true],
    ["x > 7", "x < 7", false],
    ["x>7", "x > 7", true],
    ["x²", "x2", false],
    ["H₂O", "H2O", true],
    ["10³", "103", false],
    ["The Eiffel Tower.", "eiffel tower", true],
    ["Jean-Paul", "Jean Paul", true],
    ["H. G. Wells", "H.G. Wells", true],
    ["minus 8 degrees", "-8 degrees", true],
    ["-8°C", "8°C", false],
    ["½", "1/2", true],
    ["1914–1918", "1914-1918", true],
    ["F#", "F", false],
    ["F♯", "F", false],
    ["3.5km", "3.5 km", true],
    ['"Paris"', "Paris", true],
    ["**Paris**", "Paris", true],
    ["5 - 3", "5 + 3", false],
    ["$5", "5", true],
    ["A-", "A", false],
    ["pH 7.4", "pH 74", false],
    ["Paris!", "Paris", true],
    ["(Paris)", "Paris", true],
    ["St. Paul", "St Paul", true],
    ["3:30", "3 30", false],
    ["AC/DC", "AC DC", true],
    ["-2.5 m", "2.5 m", false],
    ["E = mc²", "E=mc^2", true],
    ["half", "1/2", true],
    ["five and a half", "5.5", true],
    ["O+", "O-", false],
  ] as const)
    assert.equal(answersEqual("free", a, b), same, `${a}, ${b}`);
});

test("numbers in Unicode, in words, in brackets, with units and currencies", () => {
  read("math", [
    ["The answer is [18].", "18"],
    ["\\boxed{[18]}", "18"],
    ["Answer: [[18]]", "18"],
    ["Answer：１８", "18"],
    ["The answer is （18）", "18"],
    ["The answer is {18}.", "18"],
    ["<answer>[18]</answer>", "18"],
    ["The answer is R$ 75.", "75"],
    ["It costs Rs. 750.", "750"],
    ["It costs Rs 1,250 in all.", "1250"],
    ["It costs ₱75.50.", "75.5"],
    ["The answer is US$1,000.", "1000"],
    ["The answer is -₩500.", "-500"],
    ["Therefore it costs USD 75.", "75"],
    ["#### Rs. 75", "75"],
    ["#### ₱75", "75"],
    ["The answer is INR 750.", "750"],
    ["The answer is HK$75.", "75"],
    ["#### ½", "1/2"],
    ["So ¾ of it is left.", "3/4"],
    ["So -¼.", "-1/4"],
    ["The answer is ¾ cup.", "3/4"],
    ["The answer is 2⅔.", "8/3"],
    ["The answer is half.", "1/2"],
    ["The answer is one and a half thousand.", "1500"],
    ["The answer is three and two thirds.", "11/3"],
    ["So it takes 6 and a half hours.", "6.5"],
    ["The answer is 12 kW.", "12"],
    ["The answer is 12 m².", "12"],
    ["The answer is 12¢.", "12"],
    ["The answer is 9.8 m/s².", "9.8 m/s^{2}"],
    ["The area is 12 m^2.", "12"],
    ["The answer is $12\\,\\mathrm{N}$.", "12"],
    ["The volume is 12 m³.", "12"],
    ["The answer is 5 mol/L.", "5"],
    ["The answer is y⁴.", "y^{4}"],
    ["The answer is x₁.", "x_{1}"],
    ["The answer is 110₂.", "110_{2}"],
    ["So it is 3.01 × 10²³.", "301000000000000000000000"],
    ["The answer is 10⁴.", "10^{4}"],
  ]);
});

test("an amount is the same with the symbol of its unit or currency", () => {
  for (const written of [
    "48 m^2",
    "48 m²",
    "48 m³",
    "48 N",
    "48 Hz",
    "48 kW",
    "48kW",
    "48 g/L",
    "48¢",
    "48 \\text{ J}",
    "48\\,\\mathrm{J}",
    "48 \\mathrm{m}^2",
    "48\\ \\mathrm{m/s^2}",
    "48 N·m",
    "48 N m",
    "48 J/(kg K)",
    "48 J/(kg·K)",
    "48 V.",
    "48 m s^{-1}",
    "48 m/s²",
    "48 km/h",
    "48 K",
    "48 mol/L",
    "48 μm",
    "48 Ω",
    "(48 m)",
    "48 °C",
    "48 ℃",
    "[48]",
    "[[48]]",
    "48 MHz",
    "48 A",
    "48 F",
    "48 C",
    "Rs. 48",
    "\\text{Rs. }48",
    "48 Rs.",
    "48 rupees",
    "US$48",
    "US\\$48",
    "48 USD",
    "₩48",
    "48₩",
    "CHF 48",
    "$48 m$",
    "$48$ m",
    "48 units^2",
    "48 cm³",
    "48 kg·m/s²",
    "48 kWh",
    "48 eV",
    "48 Pa",
    "forty-eight",
    "\\text{forty-eight}",
  ])
    assert.equal(canonicalAnswer("math", written), "48", written);
  for (const formula of ["48 x", "48 m + 2", "k + 48 m", "48^2m", "48 m n p"])
    assert.notEqual(canonicalAnswer("math", formula), "48", formula);
});

test("numbers in words and exponents without braces have their value", () => {
  for (const [written, key] of [
    ["two-thirds", "\\frac{2}{3}"],
    ["seven halves", "\\frac{7}{2}"],
    ["three and three quarters", "\\frac{15}{4}"],
    ["two point five million", "2500000"],
    ["half a million", "500000"],
    ["three quarters of a million", "750000"],
    ["point five", "\\frac{1}{2}"],
    ["zero point two five", "\\frac{1}{4}"],
    ["five and a half miles", "\\frac{11}{2}"],
    ["third", "third"],
    ["minus five", "-5"],
    ["2.7x10^-3", "\\frac{27}{10000}"],
    ["10^(-3)", "\\frac{1}{1000}"],
    ["y^(-2)", "y^{-2}"],
    ["y^-2", "y^{-2}"],
    ["e^(-t/2)", "e^{-t/2}"],
    ["2^½", "2^{\\frac{1}{2}}"],
    ["x >= 7", "x\\geq7"],
  ] as const)
    assert.equal(canonicalAnswer("math", written), key, written);
  assert.equal(answersEqual("math", "3.01 × 10²³", "301^3"), false);
});
