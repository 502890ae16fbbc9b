// The page on the structure: the template, then each room's files with their opening sentences.

import { readdirSync, readFileSync } from "node:fs";

/** In the order of their dependencies; others come last. */
const ROOMS = [
  "base",
  "tensor",
  "onnx",
  "runtime",
  "nn",
  "text",
  "student",
  "engine",
  "answers",
  "voting",
  "asking",
  "measuring",
  "server",
  "client",
  "mag",
  "train",
  "eval",
  "debate",
  "experiment",
];

/** The sentence that the opening comment begins with. */
function firstSentence(text: string): string {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  const comment = lines
    .slice(0, end)
    .map((line) => line.slice(2).trim())
    .join(" ");
  return /^.*?[^.]\.(?= [A-Z]|$)/.exec(comment)?.[0].slice(0, -1) ?? comment;
}

/** @param sources the folder src/, with / at its end */
export function structurePage(template: string, sources: URL): string {
  const there = readdirSync(sources, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
  const rooms = [...ROOMS, ...there.filter((room) => !ROOMS.includes(room))];
  const tables = rooms.map((room) => {
    const folder = new URL(`${room}/`, sources);
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
      .map((name) => name.split("\\").join("/"))
      .filter((name) => /\.(ts|json)$/.test(name))
      .sort();
    const rows = files.map((name) => {
      const what = name.endsWith(".json")
        ? "The data of the module of that name"
        : firstSentence(readFileSync(new URL(name, folder), "utf8"));
      return `| \`${name}\` | ${what} |`;
    });
    return `### src/${room}\n\n| file | what it is |\n|---|---|\n${rows.join("\n")}\n`;
  });
  return `${template}\n${tables.join("\n")}`;
}
