// magdi vote: votes on texts that other models generated, as JSON lines.

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { z } from "zod";
import { voteOnTexts } from "../asking/vote-texts.ts";
import { MagdiError } from "../base/errors.ts";
import { openRegularFile } from "../base/files/regular-file.ts";
import { voteRequest } from "../server/reason/vote-schema.ts";
import { assertShallow, parseBody } from "../server/transport/request-body.ts";
import { type Command, parseFlags, usageError } from "./command.ts";

const HELP = `Usage: magdi vote [FILE]

Extracts the answers from texts of any models, compares them by value, and counts them. Each line of FILE, or of
standard input, is a JSON object:

  {"question": "What is 2 + 2?", "samples": [{"text": "So it is 4."}, {"text": "The answer is 4.0", "weight": 2}]}

  samples    the texts; weight (default 1) is the weight of the vote or, with rule "confidence" a confidence from 0 to 1
  question   the question, from which the task is detected
  task       math, multiple-choice, yes-no or free, if it cannot be detected
  choices    the options of a multiple-choice question: texts, or {"label", "text"}
  rule       majority (default) or confidence, rescaled as ReConcile does

Each line of standard output is the vote on the same line of input:

  {"task": …, "answer": …, "votes": [{"answer", "count", "weight", "share"}], "tied": …, "samples": [{"answer"}]}

The first line that cannot be read is reported and ends the command with exit code 1.
`;

/** @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
function readingOf(file: string): Readable {
  try {
    return createReadStream(file, { fd: openRegularFile(file).descriptor, start: 0 });
  } catch (cause) {
    if (!(cause instanceof MagdiError) || cause.code !== "MAGDI_FILE_MISSING") throw cause;
    throw new MagdiError("MAGDI_FILE_MISSING", `${file}: file not found`, { cause });
  }
}

async function run(argv: readonly string[]): Promise<number> {
  const { words } = parseFlags("vote", argv, z.object({}), { words: true });
  const [file, ...rest] = words;
  if (rest.length > 0) throw usageError("vote", "one FILE");
  const input = file === undefined ? process.stdin : readingOf(file);
  let line = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      line += 1;
      if (text.trim() === "") continue;
      assertShallow(text);
      process.stdout.write(
        `${JSON.stringify(await voteOnTexts(parseBody(voteRequest, JSON.parse(text))))}\n`,
      );
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const { message } = error;
    throw new MagdiError("MAGDI_BAD_FILE", `${file ?? "standard input"} line ${line}: ${message}`, {
      cause: error,
    });
  }
  return 0;
}

export const voteCommand: Command = {
  name: "vote",
  summary: "count the answers in texts of any models",
  help: HELP,
  run,
};
