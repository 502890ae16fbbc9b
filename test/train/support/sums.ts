// Sums as interaction graphs: two agents, two rounds, one of them wrong before it hears the other.

import { writeFileSync } from "node:fs";
import type { Mag } from "../../../src/mag/mag-schema.ts";

/** Graph `index`: x is right in both rounds, y in the second. Every third has no second round. */
export function sumMag(index: number): Mag {
  const [a, b] = [(index % 7) + 2, ((index * 3) % 5) + 1];
  const node = (agent: string, round: number, answer: number): Mag["nodes"][number] => ({
    agent,
    round,
    reasoning: `${a} and ${b} make ${answer}.`,
    answer: String(answer),
    label: answer === a + b ? 1 : 0,
  });
  const first = [node("x", 0, a + b), node("y", 0, a + b + 1)];
  const short = index % 3 === 2;
  return {
    id: `sum-${index}`,
    benchmark: "sums",
    task: "math",
    question: `What is ${a} plus ${b}, number ${index}?`,
    choices: null,
    passage: null,
    gold: String(a + b),
    nodes: short ? first : [...first, node("x", 1, a + b), node("y", 1, a + b)],
    edges: short
      ? []
      : [
          [0, 2],
          [1, 2],
          [0, 3],
          [1, 3],
        ],
    source: { origins: ["sums"], use: "train", terms: null },
  };
}

/** A file of `count` of them, from number `first`. */
export function writeSums(file: string, count: number, first = 0): void {
  const lines = Array.from({ length: count }, (_, index) => JSON.stringify(sumMag(first + index)));
  writeFileSync(file, `${lines.join("\n")}\n`);
}
