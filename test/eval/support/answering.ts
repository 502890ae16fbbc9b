// Questions and settings for evaluations over the scripted student.

import path from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import { type Asker, type ModelIdentity, UNKNOWN_IDENTITY } from "../../../src/eval/asker.ts";
import { engineAsker } from "../../../src/eval/engine-asker.ts";
import { type EvaluationOptions, evaluate } from "../../../src/eval/evaluation.ts";
import type { Question } from "../../../src/eval/question-formats.ts";
import { type EvalSettings, evalSettings } from "../../../src/eval/settings.ts";
import { loadBaselines } from "../../../src/voting/baselines.ts";
import type { TinyStudent } from "../../server/support/tiny-student.ts";

export const TINY: ModelIdentity = { ...UNKNOWN_IDENTITY, name: "tiny", kind: "folder" };

/** What is answered is the script in the question; [..] is one of these with equal chances. */
export function scripted(id: string, script: string, gold: string, dataset = "tiny"): Question {
  return {
    dataset,
    id,
    task: "math",
    question: `How many? {{${script}}}`,
    choices: null,
    passage: null,
    gold,
  };
}

export const QUESTIONS: readonly Question[] = [
  scripted("sure", "The answer is 4.", "4"),
  ...Array.from({ length: 6 }, (_, index) =>
    scripted(`even-${index}`, "So [abcd] then the answer is [45].", "4"),
  ),
  scripted("silent", "[xyz] who knows", "4", "other"),
  scripted("long", "on and on*", "4", "other"),
];

export function tinyAsker(student: TinyStudent, settings: EvalSettings): Asker {
  return engineAsker(student, 8, TINY, settings);
}

export function settings(asked: Partial<EvalSettings> = {}): EvalSettings {
  return evalSettings({ samples: 5, max_tokens: 60, seed: 3, ...asked });
}

/** An evaluation of the questions, written to `folder`/NAME.json. */
export function run(
  folder: string,
  name: string,
  asker: Asker,
  more: Partial<EvaluationOptions> & { readonly questions?: readonly Question[] } = {},
) {
  const { questions = QUESTIONS, ...options } = more;
  return evaluate({
    out: path.join(folder, `${name}.json`),
    settings: settings(),
    files: [{ path: "tiny.jsonl", sha256: "0", questions, skipped: [], otherUse: 0 }],
    asker,
    source: null,
    askedName: null,
    baselines: loadBaselines(),
    version: "0.0.0",
    fresh: false,
    signal: new AbortController().signal,
    clock: systemClock,
    ...options,
  });
}
