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
import type { ConvincingSample, ConvincingSamples } from "./convincing-samples.ts";
import { type DebateNode, groupsOf } from "./node-groups.ts";

const SHIPPED = fileURLToPath(new URL("./prompts/", import.meta.url));
/** How an agent is asked alone, with the answers of the round before, and with an explanation; and what stands before. */
const FRAMES = {
  "alone.txt": ["question", "instruction"],
  "discussion.txt": ["question", "answers", "instruction"],
  "explained.txt": ["question", "explanation", "instruction"],
  "demonstration.txt": ["question", "explanation", "answer"],
  "demonstrations.txt": ["demonstrations"],
};
type Frame = keyof typeof FRAMES;
const INSTRUCTIONS = TASKS.flatMap((task) => [`${task}.json.txt`, `${task}.text.txt`]);
const NAMES = [...Object.keys(FRAMES), ...INSTRUCTIONS];
const PLACE = /\{\{(\w+)\}\}/g;
const MOST_BYTES = 2 ** 20;

type AskedAgent = Pick<Agent, "name" | "form">;

export interface ShownSamples {
  readonly samples: ConvincingSamples;
  /** All who debate, by name. */
  readonly agents: readonly string[];
}

export class DebatePrompts {
  /** SHA-256 over all files' names and texts, in hexadecimal. */
  readonly sha256: string;
  readonly #texts: ReadonlyMap<string, string>;
  /** What agents are shown of each other before every question; null for nothing. */
  readonly #shown: ShownSamples | null;

  private constructor(texts: ReadonlyMap<string, string>, shown: ShownSamples | null) {
    this.#texts = texts;
    this.#shown = shown;
    this.sha256 = createHash("sha256")
      .update(JSON.stringify([...texts]))
      .digest("hex");
  }

  /**
   * The shipped prompts; files of the same names in `folder` replace them.
   * @throws MagdiError MAGDI_FILE_MISSING, and MAGDI_BAD_CONFIG for a file of another name and for wrong placeholders
   */
  static load(folder: string | null, shown: ShownSamples | null = null): DebatePrompts {
    const own = folder === null ? [] : filesOf(folder);
    const texts = NAMES.map((name): [string, string] => {
      const file = path.join(folder !== null && own.includes(name) ? folder : SHIPPED, name);
      const text = readRegularText(file, { maxBytes: MOST_BYTES }).trim();
      assertPlaces(text, file, Object.hasOwn(FRAMES, name) ? FRAMES[name as Frame] : []);
      return [name, text];
    });
    return new DebatePrompts(new Map(texts), shown);
  }

  /** The samples that agents are shown; null for none. */
  get convincing(): ConvincingSamples | null {
    return this.#shown?.samples ?? null;
  }

  /**
   * What an agent is asked in round 0, or, with the nodes of the round before, in a later one; in both behind the convincing
   * samples of the others.
   */
  render(question: Question, agent: AskedAgent, heard: readonly DebateNode[] | null): Message[] {
    const asked =
      heard === null
        ? this.#filled("alone.txt", this.#parts(question, agent))
        : this.#filled("discussion.txt", { ...this.#parts(question, agent), answers: answersText(heard) });
    const samples = this.#shown?.samples.shownTo(agent.name, question, this.#shown.agents) ?? [];
    const before = samples.length === 0 ? "" : `${this.#demonstrations(samples)}\n\n`;
    return [{ role: "user", content: `${before}${asked}` }];
  }

  /** What an agent is asked that was wrong alone. */
  renderExplained(question: Question, agent: AskedAgent, explanation: string): Message[] {
    const parts = { ...this.#parts(question, agent), explanation };
    return [{ role: "user", content: this.#filled("explained.txt", parts) }];
  }

  #parts(question: Question, { form }: AskedAgent): { question: string; instruction: string } {
    return { question: questionText(question), instruction: this.#text(`${question.task}.${form}.txt`) };
  }

  #demonstrations(samples: readonly ConvincingSample[]): string {
    const each = samples.map((sample) => {
      const { explanation, answer } = sample;
      return this.#filled("demonstration.txt", { question: questionText(sample), explanation, answer });
    });
    return this.#filled("demonstrations.txt", { demonstrations: each.join("\n\n") });
  }

  /** In one go: what a question or an answer spells like a placeholder stays as it is. */
  #filled(frame: Frame, parts: Readonly<Record<string, string>>): string {
    return this.#text(frame).replace(PLACE, (_, name: string) => parts[name] ?? "");
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
