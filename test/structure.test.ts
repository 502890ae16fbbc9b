// Holds the rooms to one direction of import, files to no circle, and three fences: only src/runtime knows ONNX Runtime's
// binding, only src/text a tokenizer library, only src/server Fastify.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SOURCES = fileURLToPath(new URL("../src/", import.meta.url));

/** What each room may import besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  base: [],
  tensor: ["base"],
  onnx: ["base", "tensor"],
  runtime: ["base", "tensor"],
  nn: ["base", "onnx", "tensor"],
  text: ["base"],
  answers: ["base"],
  voting: ["base", "answers"],
  student: ["base", "tensor", "onnx", "nn", "runtime", "text"],
  engine: ["base", "tensor", "nn", "runtime", "text", "student"],
  asking: ["base", "answers", "voting", "student", "engine", "text"],
  measuring: ["base", "nn", "text", "student", "engine"],
  server: ["base", "answers", "voting", "asking", "engine", "student", "text"],
  client: ["server"],
  mag: ["base", "answers"],
  eval: ["base", "answers", "voting", "asking", "engine", "student", "text", "client"],
  debate: [
    "base",
    "answers",
    "voting",
    "asking",
    "engine",
    "student",
    "text",
    "server", // what the server asks of a team
    "client",
    "mag",
    "eval",
  ],
  train: ["base", "tensor", "onnx", "nn", "runtime", "text", "student", "answers", "asking", "mag"],
  experiment: ["base", "voting", "student", "mag", "train", "eval"],
  doctor: ["base", "tensor", "onnx", "runtime"],
  // src/index.ts, what the package exports
  "": ["base", "answers", "voting", "engine", "asking"],
  cli: [
    "base",
    "tensor",
    "runtime",
    "text",
    "student",
    "engine",
    "answers",
    "voting",
    "asking",
    "measuring",
    "mag",
    "train",
    "eval",
    "debate",
    "client",
    "server",
    "experiment",
    "doctor",
  ],
};

/** Packages that one room alone may name. */
const FENCED: Readonly<Record<string, RegExp>> = {
  runtime: /^(koffi|onnxruntime-node)/,
  text: /^@huggingface\//,
  server: /^(fastify|@fastify\/|prom-client|pino)/,
};

const STATIC = /(?:^|\n)(?:import|export)\s(?:[^;]*?from\s+)?"([^"]+)"/g;
const DYNAMIC = /\bimport\("([^"]+)"\)/g;

interface Import {
  readonly file: string;
  readonly room: string;
  readonly target: string;
}

function imports(): Import[] {
  const files = readdirSync(SOURCES, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  return files.flatMap((file) => {
    const text = readFileSync(path.join(SOURCES, file), "utf8");
    const room = file.includes(path.sep) ? (file.split(path.sep)[0] ?? "") : "";
    // Imports stand at the top: what looks like one further down is text of ours.
    const top =
      text.split(
        /\n(?:export (?:const|function|class|interface|async)|const|function|class|interface|async|let) /,
      )[0] ?? "";
    const found = [...top.matchAll(STATIC), ...text.matchAll(DYNAMIC)];
    return found.map((match) => ({ file, room, target: match[1] ?? "" }));
  });
}

test("rooms import in one direction", () => {
  const all = imports();
  assert.ok(all.length > 50, `expected to find the imports of the sources, found ${all.length}`);
  const wrong = all.flatMap(({ file, room, target }) => {
    if (!target.startsWith(".")) return [];
    const other = path.relative(SOURCES, path.resolve(SOURCES, path.dirname(file), target)).split(path.sep);
    const otherRoom = other.length === 1 ? "" : (other[0] ?? "");
    if (otherRoom === room) return [];
    return MAY_IMPORT[room]?.includes(otherRoom) ? [] : [`${file} imports ${target}`];
  });
  assert.deepEqual(wrong, []);
});

test("no file imports itself, by whatever way", () => {
  const targets = new Map<string, string[]>();
  for (const { file, target } of imports()) {
    if (!target.startsWith(".")) continue;
    const imported = path.normalize(path.join(path.dirname(file), target));
    targets.set(file, [...(targets.get(file) ?? []), imported]);
  }
  const circles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(" → "));
    if (done.has(file) || way.includes(file)) return;
    for (const target of targets.get(file) ?? []) walk(target, [...way, file]);
    done.add(file);
  };
  for (const file of targets.keys()) walk(file, []);
  assert.deepEqual(circles, []);
});

test("native runtime, tokenizers and Fastify each have one room", () => {
  const wrong = imports().flatMap(({ file, room, target }) =>
    Object.entries(FENCED)
      .filter(([owner, pattern]) => pattern.test(target) && room !== owner)
      .map(([owner]) => `${file} imports ${target}, which belongs to src/${owner}`),
  );
  assert.deepEqual(wrong, []);
});

test("the client runs anywhere: of the server it takes types, and of Node nothing", () => {
  const files = readdirSync(path.join(SOURCES, "client"), { encoding: "utf8" });
  assert.ok(files.length > 5);
  const wrong = files.flatMap((file) => {
    const text = readFileSync(path.join(SOURCES, "client", file), "utf8");
    const kept = [...text.matchAll(/^(?:import|export) (?!type )(?:[^;"]*? from )?"([^"]+)";$/gm)];
    const asked = [...kept, ...text.matchAll(DYNAMIC)].map((match) => match[1] ?? "");
    return asked
      .filter((target) => !target.startsWith("./") && target !== "ws")
      .map((target) => `${file}: ${target}`);
  });
  assert.deepEqual(wrong, []);
});

test("every room is known", () => {
  const rooms = readdirSync(SOURCES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.deepEqual(
    rooms.map(({ name }) => name).filter((name) => MAY_IMPORT[name] === undefined),
    [],
  );
});
