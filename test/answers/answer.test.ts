import assert from "node:assert/strict";
import { test } from "node:test";
import { answersEqual, canonicalAnswer, extractAnswer } from "../../src/answers/answer.ts";
import type { Choice, Task } from "../../src/answers/task.ts";

const PLACES: Choice[] = [
  { label: "A", text: "bank" },
  { label: "B", text: "library" },
  { label: "C", text: "department store" },
  { label: "D", text: "store" },
  { label: "E", text: "new york" },
];

function check(
  task: Task,
  cases: readonly (readonly [text: string, answer: string | null])[],
  choices?: Choice[],
): void {
  for (const [text, answer] of cases) {
    assert.equal(extractAnswer(task, text, { choices: choices ?? null }), answer, JSON.stringify(text));
  }
}

test("math: announced answers", () => {
  check("math", [
    ["She has 3 + 4 = 7. The answer is 7.", "7"],
    ["The answer is $1,000.00.", "1000"],
    ["The answer is **1,234** dollars", "1234"],
    ["So the final answer is: -5", "-5"],
    ["The answer is −5.", "-5"],
    ["#### 18", "18"],
    ["#### $18.50 per day", "18.5"],
    ["#### Step 2: add 3 and 4\nThat gives 7.", "7"],
    ["Thus \\boxed{\\frac{1}{2}}.", "\\frac{1}{2}"],
    ["Thus \\boxed{\\dfrac{\\sqrt{3}}{2}}.", "\\frac{\\sqrt{3}}{2}"],
    ["Hence $x = \\boxed{5}$ is it.", "5"],
    ["So \\boxed{Caroline is 24}.", "24"],
    ["So \\boxed{\\text{the total cost is }\\$12.50}.", "12.5"],
    ["\\fbox{70}\\%", "70"],
    ["The answer is $x = 5$.", "5"],
    ["The answer is \\(\\frac{3}{4}\\).", "\\frac{3}{4}"],
    ["The answer is -\\frac{3}{10}", "-\\frac{3}{10}"],
    ["The answer is \\begin{pmatrix} 5 \\\\ 12 \\end{pmatrix}.", "\\begin{pmatrix} 5 \\\\ 12 \\end{pmatrix}"],
    ["The answer is \\frac{bx}{h}(h-x)", "\\frac{bx}{h}(h-x)"],
    ["Answer: 3/4 of a cup", "3/4"],
    ["Answer:\n\nPaul got 728 crayons.", "728"],
    ["2 x $84 = $168\n\nAnswer:\nAlex charges $168 for 2 weeks.", "168"],
    ["Answer:\n\n1. Add 3 and 4.\n2. That makes 7 in all.", "7"],
    ["Answer: 8 pens will cost $12.00.", "12"],
    ["Answer:\n32 ounces - 30 ounces = 2 ounces of 9", "2"],
    ["Solution:\n\n1. 100 - 40 = 60.\n\nAnswer: She has $60 left of 100.", "60"],
    ["The answer is 2:00 pm.", "2:00 pm"],
    ["The answer is eight.", "8"],
    ["The answer is 45%.", "45"],
    ["The answer (arabic numerals) is \n\n30%.", "30"],
    ["The answer to the question is 12.", "12"],
    ["The answer is 1.5e3.", "1500"],
    ["The answer is 1.5 x 10^3.", "1500"],
    ["The answer is 5 + 3 = 8.", "8"],
    ["The answer is (3, 4).", "(3, 4)"],
    ["The answer is about 3.14", "3.14"],
    ["The answer is that she has 5 apples.", "5"],
    ["\\boxed{\\text{18 dollars}}", "18"],
    ["The answer is $12/hour.", "12"],
    ["The answer is $1,200/month.", "1200"],
    ["The answer is 18 sec.", "18"],
    ["The answer is 18 °C.", "18"],
    ["The answer is $x=1$ or $x=5$.", "x=1, x=5"],
    ["The solutions are $x=2$ and $x=-3$.", "x=2, x=-3"],
    ["The answer is \\(2\\), \\(3\\), and \\(5\\).", "2, 3, 5"],
    ["The answer is $5$, which is $3$ more.", "5"],
    ["The answer is [3, \\infty).", "[3, \\infty)"],
    ["The answer is 2\\sec x", "2\\sec x"],
    ["The answer is 18 (9 × 2).", "18"],
    ["The answer is 10 000.", "10000"],
    ["The only solution that works is x = 30. Then 30 * 31 = 930.", "930"],
  ]);
});

test("answers within tags and in fields of JSON", () => {
  check("math", [
    ["<think>9 * 2 = 18</think>\n<answer>18</answer>", "18"],
    ["<answer>\\frac{1}{2}</answer> which is 50 percent", "\\frac{1}{2}"],
    ['{"reasoning": "9 * 2", "answer": "18"}', "18"],
    ['{"answer": 18, "confidence": 0.9}', "18"],
    ['{"answer": "\\\\frac{1}{2}"}', "\\frac{1}{2}"],
    ['{"answer": "\\frac{1}{2}"}', "\\frac{1}{2}"],
    ['Reply as {"answer": "your answer"}.\nThe answer is 5.', "5"],
  ]);
  check("multiple-choice", [["<answer>B</answer>", "B"]], PLACES);
  check("multiple-choice", [['{"answer": "library", "why": "quiet, not a bank"}', "B"]], PLACES);
  check("multiple-choice", [["The answer choice that fits best is C.", "C"]], PLACES);
  check("yes-no", [
    ["<answer>no</answer>", "no"],
    ['{"answer": false}', "no"],
    ["Thus, the statement is false.", "no"],
    ["The claim is therefore correct.", "yes"],
    ["The statement is not true.", "no"],
    ["The statement that a month has 100 hours is false.", "no"],
    ["The statement that vegans eat no pork is true. However, he eats pork.", null],
    ["The claim that it ended then is almost certainly not right.", null],
  ]);
});

test("math: numbers in words, with their sign and scale", () => {
  check("math", [
    ["The answer is one hundred and twenty.", "120"],
    ["The answer is three hundred and fifty dollars.", "350"],
    ["The answer is two thousand five hundred.", "2500"],
    ["The answer is a hundred.", "100"],
    ["The answer is five and six.", "5"],
    ["The answer is negative 5.", "-5"],
    ["The answer is minus five.", "-5"],
    ["The answer is $1.5 million.", "1500000"],
    ["So 900 million are left.", "900000000"],
  ]);
});

test("math: the last announcement counts, and what is only supposed or denied does not", () => {
  check("math", [
    ["The answer is 4. Wait, I forgot one. The answer is 5.", "5"],
    ["\\boxed{4} then \\boxed{5}", "5"],
    ["The answer is 6. Please check if the answer is 7.", "6"],
    ["The answer is not 5 but 6.", "6"],
    ["The answer is 6, and the answer is not 5.", "6"],
    ["There are \\boxed{3} solutions: 32, 65 and 98.", "3"],
    ["The answer is 6. To answer this we used 9 steps", "6"],
    ["\\boxed{18}\n\nLet's verify the answer: 18 / 2 = 9.", "18"],
    ["The answer is \\boxed{18}.\n\n**Check the answer:** 18 / 9 = 2", "18"],
    ["The answer is 18. Double-check our answer: 18 - 9 = 9.", "18"],
    ["The answer is 18.\n\nThe unrounded answer is 17.6.", "18"],
  ]);
});

test("math: without an announcement, what the last sentence comes to", () => {
  check("math", [
    ["16 - 3 = 13\n13 * 2 = $26", "26"],
    ["3 * 8 = 24. So she pays $24 for 8 glasses.", "24"],
    ["The difference is 260-120 = 140 miles after 2 hours.", "140"],
    ["For 16 glasses the price is $64.", "64"],
    ["It is 1,234.5 in all.", "1234.5"],
    ["So the inverse is $h^{-1}(x) = \\frac{x+2}{7}$.", "\\frac{x+2}{7}"],
    ["She makes $18 a day and spends $5.", "5"],
    ["It was $.50 each", "0.5"],
    ["I do not know.", null],
    ["", null],
    ["see x2 and A1", null],
  ]);
});

test("multiple choice: by label and by text, and the article is no label", () => {
  check(
    "multiple-choice",
    [
      ["The answer is (B).", "B"],
      ["The answer is B", "B"],
      ["the answer is b.", "B"],
      ["The answer is **(B) library**.", "B"],
      ["Answer: library", "B"],
      ["The correct answer is the department store.", "C"],
      ["The answer is New York.", "E"],
      ["\\boxed{B}", "B"],
      ["\\boxed{(B) library}", "B"],
      ["\\boxed{\\text{(E) new york}}", "E"],
      ["\\boxed{(C) \\ department \\ store}", "C"],
      ["Among A through E, the answer is C.", "C"],
      ["The best answer is A.", "A"],
      ["The answer is A because banks are guarded.", "A"],
      ["The answer is A man in a library.", "B"],
      ["A man walks in. So option D it is.", "D"],
      ["(A) is wrong. (B) is the best choice.", "B"],
      ["(C) is the correct answer. (D) and (E) can be eliminated.", "C"],
      ["It must be a library, not a bank.", "B"],
      ["Libraries are quiet.", null],
      ["A", "A"],
      ["(d)", "D"],
      ["C. department store", "C"],
      ["A man, a plan, a canal.", null],
      ["", null],
    ],
    PLACES,
  );
});

test("multiple choice: two choices at once, or none of them, are no answer", () => {
  check(
    "multiple-choice",
    [
      ["The answer is A and B.", null],
      ["The answer is (A) or (C).", null],
      ["The answer is either (A) bank or (B) library.", null],
      ["The answer is A. No: the answer is B, C or D.", null],
      ["The answer is none of the above.", null],
      ["Answer: (B) library (E) new york", null],
      ["The answer is A or B. I think the answer is B.", "B"],
      ["The answer is not A but C.", "C"],
    ],
    PLACES,
  );
});

test("multiple choice: numbered labels and choices that are numbers", () => {
  const choices = [
    { label: "1", text: "4" },
    { label: "2", text: "8" },
  ];
  check(
    "multiple-choice",
    [
      ["The answer is (2).", "2"],
      ["The answer is 8.", "2"],
      ["The answer is 1.", "1"],
    ],
    choices,
  );
});

test("yes-no", () => {
  check("yes-no", [
    ["The answer is yes.", "yes"],
    ["The answer is: **No**.", "no"],
    ["Answer: No, it cannot.", "no"],
    ["\\boxed{\\text{Yes}}", "yes"],
    ["#### no", "no"],
    ["The answer (Yes or No) is No.", "no"],
    ["So the answer is not yes.", "no"],
    ["The answer is true.", "yes"],
    ["Yes, because fish have lungs.", "yes"],
    ["There is no evidence for that. So yes.", "yes"],
    ["There is no evidence for that.", null],
    ["So, in short, no, it cannot be used for wool.", "no"],
    ["Could it be yes or no?", null],
    ["It is likely.", null],
    ["First I thought yes. But no.", "no"],
    ["No\n", "no"],
    ["", null],
  ]);
});

test("free: the announced words, else the last sentence", () => {
  check("free", [
    ["Some thought. The answer is Paris.", "Paris"],
    ["Answer: **the Eiffel Tower**", "the Eiffel Tower"],
    ["It is old. It stands in Paris.", "It stands in Paris"],
    ["\n\n...\n", null],
  ]);
  assert.ok(answersEqual("free", "The Eiffel Tower.", "eiffel tower"));
  assert.ok(answersEqual("free", "1,000", "1000.0"));
  assert.ok(answersEqual("free", "eight", "8"));
  assert.ok(!answersEqual("free", "Paris", "London"));
});

test("quotes around an answer are none of it", () => {
  check("math", [
    ['The final answer is "The answer is 3/4".', "3/4"],
    ['The answer is "3/4".', "3/4"],
    ['The answer is "3/4."', "3/4"],
    ["The answer is “3/4.” That is less than 1 of 2.", "3/4"],
    ["The answer is ‘3/4’.", "3/4"],
    ["The answer is '3/4'", "3/4"],
    ["'The answer is (3, 4)'.", "(3, 4)"],
    ["\"The answer is 'x + 1'.\"", "x + 1"],
    ['The answer is "$1,000".', "1000"],
    ["The answer is “$\\frac{3}{4}$”.", "\\frac{3}{4}"],
    ['The answer is "\\frac{3}{4}".', "\\frac{3}{4}"],
    ['The answer is "**18**".', "18"],
    ['The answer is "three".', "3"],
    ['The answer is "5 apples".', "5"],
    ['"answer": "42"', "42"],
    ["\\boxed{“3/4”}", "3/4"],
    ['#### 18"', "18"],
    // A prime, feet and inches are.
    ["The answer is $f'$.", "f'"],
    ["The answer is f'.", "f'"],
    ["The answer is f''(2).", "f''(2)"],
    ["\\boxed{g'}", "g'"],
    ["The answer is 5'6\".", "5'6\""],
  ]);
  check(
    "multiple-choice",
    [
      ["The answer is 'B'.", "B"],
      ["The answer is “B”.", "B"],
      ["The answer is ‘(B) library’.", "B"],
      ["‘The answer is library’", "B"],
      ["The answer is 'A' or 'B'.", null],
      ["The answer is Bob's bank.", "A"],
    ],
    PLACES,
  );
  assert.equal(canonicalAnswer("multiple-choice", "“B”", { choices: PLACES }), "B");
  check("yes-no", [
    ["The answer is ‘no’.", "no"],
    ["“So the answer is yes”", "yes"],
    ["In short, ‘no’", "no"],
  ]);
  check("free", [
    ["The answer is ‘Paris’.", "Paris"],
    ["“The answer is Paris.”", "Paris"],
    ["The answer is O’Neill’s.", "O’Neill’s"],
  ]);
});

test("answers are the same by value", () => {
  const choices = PLACES;
  for (const writing of ["1,000", "1000.0", "$1000", "1000 dollars", "1e3"])
    assert.ok(answersEqual("math", writing, "1000"), writing);
  // A vote tells them apart, as variables.
  assert.ok(answersEqual("math", "2600g", "2600") && answersEqual("math", "2", "2:00 pm"));
  assert.equal(answersEqual("math", "", ""), false);
  for (const writing of ["(B)", "b", "B.", "library", "Library", "(B) library", "B: library"]) {
    assert.equal(canonicalAnswer("multiple-choice", writing, { choices }), "B", writing);
  }
  assert.equal(canonicalAnswer("multiple-choice", "museum", { choices }), null);
  assert.equal(canonicalAnswer("yes-no", "Yes."), "yes");
  assert.equal(canonicalAnswer("yes-no", "maybe"), null);
  assert.equal(answersEqual("yes-no", "maybe", "maybe"), false);
});

test("what is extracted keeps its key", () => {
  for (const text of ["The answer is 1/2.", "The answer is $\\frac12$.", "\\boxed{0.5}", "#### .5"]) {
    const answer = extractAnswer("math", text);
    assert.equal(answer === null ? null : canonicalAnswer("math", answer), "\\frac{1}{2}", text);
  }
});

test("math: answers that are names, and what follows a heading or stands in bold", () => {
  check("math", [
    ["40 ÷ 7 leaves 5. It will be a Sunday 40 days from Tuesday. The answer is Sunday.", "Sunday"],
    ["E. 8 is a factor of 160. (True)\n\nThe answer is A,B,E", "A,B,E"],
    ["f(-x) = 3/(2x^6-5), so it is even.\nThe answer is even", "even"],
    ["theta = 60 represents a line.\nSo, the answer is (A) Line.", "(A)"],
    ["The answer is correct: 3 + 4 = 7.", "7"],
    ["The answer is \\frac{1}{4} - \\frac{3}{7} i", "\\frac{1}{4} - \\frac{3}{7} i"],
    ["only one (since there is one solution, the answer is 1).", "1"],
    ["Answer:\n\nF = 2 x 125 = 250\n\nT + F = 125 + 250 = 375\n\nTherefore, it makes 375 of them.", "375"],
    ["= $9.00 (soda) + $4.00 (water) = $13.00\n\nSo 3 sodas and 2 waters will cost **$13.00**.", "13"],
    ["The cost with the 30% discount is **$70**.", "70"],
    ["```output\n16.0\n```\n16 people think that horse #12 will win the big race.", "16"],
    ["Solution: \\begin{align*}\n2a &= 6 \\\\\n&= 7\n\\end{align*}\nTherefore, the value is $7$.", "7"],
    ["It takes the light 9 minutes to blink 459 times.", "9"],
    ["in the form \\boxed{answer}, at the end.\nThere are 3 cats and 4 dogs, so 7.", "7"],
  ]);
});

test("yes-no: a last line that is nothing but the answer goes before what was weighed", () => {
  check("yes-no", [
    ["If it means trained, the answer is almost certainly yes. However, it asks about taming.\n\nNo.", "no"],
    ["The answer is no, some would say yes.\n**True**", "yes"],
    ["The answer is yes. It is known that he said no.", "yes"],
  ]);
});

test("multiple-choice: an answer's A behind a question's Q is no choice", () => {
  check(
    "multiple-choice",
    [
      ["A: (E) new york", "E"],
      ["A: bank", "A"],
    ],
    PLACES,
  );
});

test("math: a full stop that abbreviates ends no sentence", () => {
  check("math", [
    ["$800 + $2400 = $3200\n\nAnswer: Mrs. Rylan used $3200 to buy the seeds.", "3200"],
    ["Answer:\nMr. Marcellus got a refund of $5600.", "5600"],
  ]);
  check("free", [["It is old. It was built by Dr. Gustave Eiffel.", "It was built by Dr. Gustave Eiffel"]]);
});

test("math: what an answer follows from, holds under or serves is not it", () => {
  check("math", [
    ["The correct answer is 51 since there are 33 multiples of 3 up to 100.", "51"],
    ["The answer is 25% because 3/8 is 37.5%.", "25"],
    ["Therefore, $(-1)^{1001}$ is equal to -1 because 1001 is an odd number.", "-1"],
    ["He gets 4 because 12 / 3 = 5", "5"],
    ["Answer:\nKelly needs to buy 118 games so that she will have 140 games left.", "118"],
    ["There are 200*1.5=300 pages in the book if it is 1.5 inches thick", "300"],
    ["She will have 60 shells (5 years x 12 months/year x 1 shell/month)", "60"],
    ["So the total is 12 (3 x 4).", "12"],
    ["The maximum volume is (2/3)π.", "2/3"],
    ["Therefore, the minimum is $4$, which occurs when $x=3$ and $y=2$.", "4"],
    ["So $a=\\frac{30}{11}$ when $x=3$.", "\\frac{30}{11}"],
    ["So the value of $x^2$ when $x=-2$ is 4.", "4"],
    ["So $2^{12} = 2^n$ is true when $n=12$.", "12"],
  ]);
});

test("math: a solution from which something is concluded, and a score for answers, are steps", () => {
  check("math", [
    [
      "The solution to the system is $x = 8$ and $y = -1$.\nTherefore, the product of $x$ and $y$ is $-8$.",
      "-8",
    ],
    ["His score for the correct answers is 5x.\n\nTherefore, Frank answered 56 questions correctly.", "56"],
    ["Rechecking the solutions of others, I confirm that the updated answer is -1. 3 is odd.", "-1"],
  ]);
});

test("math: a check that holds leaves what it checks", () => {
  check("math", [
    ["80 - 37 = 43\nThe second has 43 more.\nTo check the answer: 37 + 43 = 80, which is correct.", "43"],
    ["x = 5. Let's check this answer: 2 * 5 = 10, not 12, so it is wrong. Thus x = 6", "6"],
    ["To check that 20 is correct, we need 3 parts. It matches. Now 3 * 20 = 60", "60"],
  ]);
});

test("math: rows of a display, lists of formulas, and the same value in another unit", () => {
  check("math", [
    ["Therefore, the final answer is:\n\n\\begin{align*}\nx^3+3x-6\n\\end{align*}", "x^3+3x-6"],
    ["\\begin{align*}\nx &= 2 + 3 \\\\\n&= \\sqrt{25}.\n\\end{align*}\nThis is done.", "\\sqrt{25}"],
    ["$$\\begin{aligned} x &= 2 \\\\ y &= \\frac12 \\end{aligned}$$", "\\frac12"],
    ["The values that satisfy it are $x=5$ and $x=1$.", "x=5, x=1"],
    ["A razor costs $2.00 / 8 = $0.25 or 25 cents.", "25"],
    ["The chance is 1 - 1/4 = 3/4, or 75%.", "3/4"],
    ["It makes 14 x $ 418 = $ 5852.", "5852"],
    ["His profit was 975-130,000 = $-129025", "-129025"],
    ["She buys 20 plates = $72 and 4 bowls = $20, for a total of $116", "116"],
  ]);
});

test("math: dates, conics, and an answer that there is none", () => {
  check("math", [
    ["She does 101 on the 20th day. The answer is June 20th.", "June 20"],
    ["With radius $\\sqrt{10}$ it is round. The answer is a circle.", "circle"],
    ["We get $x=5$, which is false. The answer is that there are no solutions.", null],
    ["The answer is there is nothing left: 0.", "0"],
  ]);
  assert.ok(answersEqual("math", "June 20", "\\text{June 20}"));
});
