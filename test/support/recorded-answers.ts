// What was recorded of voted questions to the student that ships, and what of a response can be compared with it.
import { readFileSync } from "node:fs";
import type { Json } from "../server/support/running-app.ts";
import { fixture } from "./scratch-folder.ts";

export const RECORDED_FILE = fixture("recorded-answers", "questions.jsonl");

export interface RecordedAnswer {
  readonly request: Json;
  readonly response: Json;
}

export function readRecordedAnswers(): RecordedAnswer[] {
  const lines = readFileSync(RECORDED_FILE, "utf8").trimEnd().split("\n");
  return lines.map((line): RecordedAnswer => JSON.parse(line));
}

/** What the load decides is left out: what was reused, and times. */
export function lasting({ id: _id, timing: _timing, usage, ...response }: Json): Json {
  const { prompt_tokens_computed: _computed, ...counted } = usage;
  return { ...response, usage: counted };
}
