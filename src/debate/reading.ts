// Reads an agent's text: its reasoning, its answer and its confidence, from one JSON object or from sentences.

import { canonicalAnswer, extractAnswer } from "../answers/answer.ts";
import type { Choice, Task } from "../answers/task.ts";
import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { isDeeperThan } from "../base/json-depth.ts";
import { confidenceIn, confidenceValue } from "./confidence.ts";

export interface Reading {
  /** As it was stated, normalised; null when none could be read. */
  readonly answer: string | null;
  /** What answers are compared by; null without an answer. */
  readonly key: string | null;
  readonly reasoning: string;
  /** From 0 to 1; null when none was stated. */
  readonly confidence: number | null;
}

interface Asked {
  readonly task: Task;
  readonly choices: readonly Choice[] | null;
}

/** A last line that states the confidence: it belongs to the form, not to the reasoning. */
const CONFIDENCE_LINE = /^[*_]{0,2}(?:my )?confidence(?:[ _]level)?\b.{0,60}$/i;
/** Text that begins as a JSON object was meant to be one. */
const BEGINS_OBJECT = /^\s*(?:```(?:json)?\s*)?\{/i;

/** Never throws: a text without an answer gives an answer of null. */
export function readReply(text: string, asked: Asked): Reading {
  const fields = objectIn(text);
  if (fields !== null) return readFields(fields, asked);
  if (BEGINS_OBJECT.test(text)) return readFields(fieldsIn(text), asked);
  const { task, choices } = asked;
  const reasoning = withoutConfidence(text.trim());
  return {
    ...withKey(extractAnswer(task, reasoning, { choices }), asked),
    reasoning,
    confidence: confidenceIn(text),
  };
}

function withoutConfidence(text: string): string {
  const lastLine = text.lastIndexOf("\n") + 1;
  return lastLine > 0 && CONFIDENCE_LINE.test(text.slice(lastLine).trim())
    ? text.slice(0, lastLine).trim()
    : text;
}

function readFields(fields: JsonObject, asked: Asked): Reading {
  const { reasoning, answer, confidence_level: level, confidence } = fields;
  return {
    ...withKey(answerIn(answer, asked), asked),
    reasoning: textOf(reasoning).trim(),
    confidence: confidenceValue(level ?? confidence),
  };
}

/** An answer field may say more than the answer: "B) red", "5 apples". */
function answerIn(value: unknown, { task, choices }: Asked): string | null {
  const said = typeof value === "boolean" ? (value ? "yes" : "no") : textOf(value).trim();
  if (said === "") return null;
  return extractAnswer(task, `The answer is ${said.replace(/\.$/, "")}.`, { choices });
}

function withKey(answer: string | null, { task, choices }: Asked): Pick<Reading, "answer" | "key"> {
  const key = answer === null ? null : canonicalAnswer(task, answer, { choices });
  return { answer: key === null ? null : answer, key };
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join("\n");
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** The text's object with an answer: the whole text, or from its first brace to its last. */
function objectIn(text: string): JsonObject | null {
  const found = text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1);
  if (found === "" || isDeeperThan(found)) return null;
  for (const candidate of [withFormulas(found), found]) {
    try {
      const value: unknown = JSON.parse(candidate);
      if (isObject(value) && "answer" in value) return value;
    } catch {
      // not JSON this way
    }
  }
  return null;
}

/** Single backslashes before what can only be LaTeX: \frac would else be a form feed, and \( no JSON at all. */
function withFormulas(text: string): string {
  return text.replace(
    /(?<!\\)((?:\\\\)*)\\(?=[^"\\/bfnrtu]|(?:frac|forall|binom|begin|beta|bar|boxed|big|text|times|theta|tan|tfrac|right|rho|neq|nabla|nu)(?![a-z]))/g,
    "$1\\\\",
  );
}

/** The fields of an object that was cut off, or is no JSON. */
function fieldsIn(text: string): JsonObject {
  const field = (name: string): string | undefined => {
    const match = new RegExp(`"${name}"\\s*:\\s*("(?:[^"\\\\]|\\\\.)*"|-?[\\d.]+|true|false)`).exec(
      text,
    )?.[1];
    return match === undefined ? undefined : unquoted(match);
  };
  const reasoning = field("reasoning") ?? /"reasoning"\s*:\s*"((?:[^"\\]|\\.)*)$/.exec(text)?.[1];
  return { reasoning, answer: field("answer"), confidence_level: field("confidence_level") };
}

function unquoted(value: string): string {
  try {
    return String(JSON.parse(withFormulas(value)));
  } catch {
    return value.replace(/^"|"$/g, "");
  }
}
