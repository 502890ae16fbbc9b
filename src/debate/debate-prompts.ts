// The prompts of a debate, as files that can be read and replaced, and their hash. It calls nobody.

import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { TASKS } from "../answers/task.ts";
import { questionText } from "../asking/prompts.ts";
import { MagdiError } from "../base/errors.ts";
import { readRegularText } from "../base/files/regular-file.ts";
import type { Question } from "../eval/question-formats.ts";
import type { Message } from "../text/chat-prompt.ts";
import type { Agent } from "./agent.ts";
import { type DebateNode, groupsOf } from "./node-groups.ts";

const SHIPPED = fileURLToPath(new URL("./prompts/", import.meta.url));
/** How an agent is asked alone, and with the answers of the round before. */
const FRAMES = {
  "alone.txt": ["question", "instruction"],
  "discussion.txt": ["question", "answers", "instruction"],
};
const INSTRUCTIONS = TASKS.flatMap((task) => [`${task}.json.txt`, `${task}.text.txt`]);
const NAMES = [...Object.keys(FRAMES), ...INSTRUCTIONS];
const PLACE = /\{\{(\w+)\}\}/g;
const MOST_BYTES = 2 ** 20;

export class DebatePrompts {
  /** SHA-256 over all files' names and texts, in hexadecimal. */
  readonly sha256: string;
  readonly #texts: ReadonlyMap<string, string>;

  private constructor(texts: ReadonlyMap<string, string>) {
    this.#texts = texts;
    this.sha256 = createHash("sha256")
      .update(JSON.stringify([...texts]))
      .digest("hex");
  }

  /**
   * The shipped prompts; files of the same names in `folder` replace them.
   * @throws MagdiError MAGDI_FILE_MISSING, and MAGDI_BAD_CONFIG for a file of another name and for wrong placeholders
   */
  static load(folder: string | null): DebatePrompts {
    const own = folder === null ? [] : filesOf(folder);
    const texts = NAMES.map((name): [string, string] => {
      const file = path.join(folder !== null && own.includes(name) ? folder : SHIPPED, name);
      const text = readRegularText(file, { maxBytes: MOST_BYTES }).trim();
      assertPlaces(text, file, Object.hasOwn(FRAMES, name) ? FRAMES[name as keyof typeof FRAMES] : []);
      return [name, text];
    });
    return new DebatePrompts(new Map(texts));
  }

  /** What an agent is asked in round 0, or, with the nodes of the round before, in a later one. */
  render(question: Question, form: Agent["form"], heard: readonly DebateNode[] | null): Message[] {
    const parts: Readonly<Record<string, string>> = {
      question: questionText(question),
      instruction: this.#text(`${question.task}.${form}.txt`),
      answers: heard === null ? "" : answersText(heard),
    };
    // In one go: what a question or an answer spells like a placeholder stays as it is.
    const content = this.#text(heard === null ? "alone.txt" : "discussion.txt").replace(
      PLACE,
      (_, name: string) => parts[name] ?? "",
    );
    return [{ role: "user", content }];
  }

  #text(name: string): string {
    return this.#texts.get(name) ?? ""; // load has them all
  }
}

function filesOf(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => !name.startsWith("."));
  } catch (cause) {
    throw new MagdiError("MAGDI_FILE_MISSING", `${folder}: expected a folder of prompts, found none`, {
      cause,
    });
  }
  const unknown = names.find((name) => !NAMES.includes(name));
  if (unknown !== undefined || names.length === 0) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `${folder}: expected some of ${NAMES.join(", ")}, found ${unknown ?? "nothing"}`,
    );
  }
  return names;
}

function assertPlaces(text: string, file: string, expected: readonly string[]): void {
  const found = new Set([...text.matchAll(PLACE)].map(([, name = ""]) => name));
  const wrong = [...found].find((name) => !expected.includes(name));
  const missing = expected.find((name) => !found.has(name));
  if (text !== "" && wrong === undefined && missing === undefined) return;
  const places = expected.map((name) => `{{${name}}}`).join(", ") || "a text without placeholders";
  const seen = text === "" ? "nothing" : wrong === undefined ? `no {{${missing}}}` : `{{${wrong}}}`;
  throw new MagdiError("MAGDI_BAD_CONFIG", `${file}: expected ${places}, found ${seen}`);
}

/** All answers of a round by value, the most frequent first, each with every explanation and confidence. */
function answersText(heard: readonly DebateNode[]): string {
  return groupsOf(heard)
    .map(({ answer, nodes }) => {
      const agents = nodes.length === 1 ? "1 agent" : `${nodes.length} agents`;
      const said =
        answer === null ? "gave no answer that could be read" : `${verb(nodes)} the answer is ${answer}`;
      return [`${agents} ${said}:`, ...nodes.map(explanation)].join("\n");
    })
    .join("\n\n");
}

function verb(nodes: readonly DebateNode[]): string {
  return nodes.length === 1 ? "thinks" : "think";
}

function explanation({ reasoning, confidence }: DebateNode): string {
  const sure = confidence === null ? "no confidence stated" : `confidence ${confidence}`;
  return `- (${sure}) ${reasoning === "" ? "no explanation" : reasoning}`;
}
