// Real transcripts of language models: what is read out of them is what their authors recorded.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { answersEqual, extractAnswer } from "../../src/answers/answer.ts";

interface Transcript {
  readonly source: string;
  readonly question_id: string;
  readonly agent: string;
  readonly text: string;
  readonly answer: string;
}

// The fixture is written by hand of records of this shape.
const transcripts = JSON.parse(
  readFileSync(new URL("../fixtures/transcripts.json", import.meta.url), "utf8"),
) as Transcript[];

for (const { question_id, agent, text, answer } of transcripts) {
  test(`${question_id} by ${agent}: ${answer}`, () => {
    const read = extractAnswer("math", text);
    assert.ok(read !== null && answersEqual("math", read, answer), `read ${read}, recorded ${answer}`);
  });
}
