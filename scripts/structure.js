// Prints the file tables of docs/structure.md from the first sentence of each source file.
import { readdirSync, readFileSync } from "node:fs";

const rooms = [
  "tensor",
  "onnx",
  "runtime",
  "nn",
  "text",
  "student",
  "engine",
  "reasoning",
  "server",
  "eval",
  "client",
  "cli",
];

/** The sentence that the opening comment begins with. */
function firstSentence(text) {
  const lines = text.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  const comment = lines
    .slice(0, end)
    .map((line) => line.slice(2).trim())
    .join(" ");
  return /^.*?[^.]\.(?= [A-Z]|$)/.exec(comment)?.[0].slice(0, -1) ?? comment;
}

for (const room of rooms) {
  console.log(`\n### src/${room}\n\n| file | what it is |\n|---|---|`);
  const files = readdirSync(`src/${room}`, { recursive: true }).map((name) => name.split("\\").join("/"));
  for (const name of files.filter((file) => /\.(ts|json)$/.test(file)).sort()) {
    const text = readFileSync(`src/${room}/${name}`, "utf8");
    console.log(
      `| \`${name}\` | ${name.endsWith(".json") ? "The data of the module of that name" : firstSentence(text)} |`,
    );
  }
}
