// Flags of the commands that have agents asked: which questions of the files are taken.

import { oneOf, text, wholeNumber } from "../base/settings/kinds.ts";

export const QUESTION_FLAGS = {
  limit: wholeNumber(1)
    .nullable()
    .default(null)
    .describe("at most N questions of each data set, evenly spread"),
  dataset: text("a benchmark", "NAME")
    .nullable()
    .default(null)
    .describe("the benchmark, if neither the records nor the file's name tell it"),
  on_bad_line: oneOf(["stop", "skip"]).default("stop").describe("stop or skip"),
};
