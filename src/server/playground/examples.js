// Example questions, of each kind.

/**
 * @typedef {object} Example
 * @property {string} name
 * @property {string} question
 * @property {readonly string[]} [choices]
 * @property {string} [passage]
 */

/** @type {readonly Example[]} */
export const EXAMPLES = [
  {
    name: "Ferry",
    question:
      "A ferry carries 18 cars on each crossing and crosses the strait 7 times a day. How many cars does it carry in 5 days?",
  },
  {
    name: "Puddle",
    question: "A puddle on a hot pavement is gone by the afternoon. Where did most of its water go?",
    choices: [
      "Into the air, as vapour",
      "Into the pavement, as ice",
      "Into the sun",
      "Nowhere: it became lighter",
    ],
  },
  {
    name: "Piano",
    question: "Could one adult carry a grand piano up a flight of stairs alone?",
  },
  {
    name: "Museum",
    question: "How many hours is the museum open on a Thursday?",
    passage:
      "The museum opens at 10 in the morning, every day but Monday. It closes at 6 in the evening, except on Thursdays, when it stays open three hours longer.",
  },
  {
    name: "Fractions",
    question: "What is $\\frac{3}{4} + \\frac{5}{8}$, as a fraction in lowest terms?",
  },
];
