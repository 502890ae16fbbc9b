// Imports MAGs from files of agents' outputs, as a stream, and never a question that a student is evaluated on.

import { MagdiError } from "../base/errors.ts";
import { type OnBroken, readJsonRecords, stop } from "../base/files/json-records.ts";
import { formatOf, type ImportFormat, importedRecord } from "./import-formats.ts";
import type { JoinedQuestions } from "./joined-questions.ts";
import type { Mag, Use } from "./mag-schema.ts";
import { assertNoPickle } from "./pickle.ts";
import { questionKey } from "./question-split.ts";
import { type ImportCounts, magOf, noCounts, type RecordOptions } from "./record-to-mag.ts";

export interface ImportOptions extends RecordOptions {
  /** Default: detected from each file's first record. */
  readonly format?: ImportFormat;
  /** Only records of this use; records without one are for training. Default "train". */
  readonly use?: Use;
  /** Question keys that must not be trained on, besides those of the sources' eval records. */
  readonly excluded?: ReadonlySet<string>;
  /** The questions of records in the authors' format. Default: each record has its own. */
  readonly questions?: JoinedQuestions;
  /** Called for each broken record, which is then skipped. Default: the first one ends the import. */
  readonly onBroken?: OnBroken;
}

/**
 * The MAGs of `sources`, in order. Training MAGs never have a question that any source or `excluded` marks for evaluation.
 * `counts`, by source, is filled as the MAGs come.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE naming file, line and field
 */
export async function* importMags(
  sources: readonly string[],
  options: ImportOptions,
  counts: Map<string, ImportCounts>,
): AsyncGenerator<Mag> {
  const use = options.use ?? "train";
  const excluded = new Set(options.excluded);
  for (const source of sources) assertNoPickle(source);
  if (use === "train") {
    const isEval = (recorded: unknown): boolean => recorded === "eval";
    const ignore = (): void => {}; // broken records are reported in the second pass
    for (const source of sources) {
      for (const key of await questionsOf(source, isEval, ignore)) excluded.add(key);
    }
  }
  const ids = new Set<string>();
  for (const source of sources) {
    const count = noCounts();
    counts.set(source, count);
    const onBroken: OnBroken = (error) => {
      (options.onBroken ?? stop)(error);
      count.records += 1;
      count.broken += 1;
    };
    let format = options.format;
    const join = options.questions?.join();
    let index = 0;
    // Behind a line that is left out no place would be right.
    const onUnread = options.questions?.by === "position" ? stop : onBroken;
    for await (const { where, value } of readJsonRecords(source, onUnread)) {
      format ??= formatOf(value);
      const known = format;
      if (join !== undefined && known !== "magdi") throw ownQuestions(where);
      const place = index++;
      const record = unlessBroken(
        () => importedRecord(value, known, where, join?.(value, place, where)),
        onBroken,
      );
      if (record === null) continue;
      count.records += 1;
      if ((record.use ?? "train") !== use) count.otherUse += 1;
      else if (use === "train" && excluded.has(questionKey(record))) count.excludedQuestions += 1;
      else {
        const mag = unlessBroken(
          () => magOf(record, { source, where }, options, count),
          (error) => {
            count.records -= 1; // onBroken counts it
            onBroken(error);
          },
        );
        if (mag !== null) yield { ...mag, id: uniqueId(mag.id, ids) };
      }
    }
  }
}

function ownQuestions(where: string): MagdiError {
  return new MagdiError(
    "MAGDI_BAD_CONFIG",
    `${where}: --questions: expected records of AGENT_output_ROUND, found one with its own question`,
  );
}

function unlessBroken<T>(make: () => T, onBroken: OnBroken): T | null {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof MagdiError)) throw error;
    onBroken(error);
    return null;
  }
}

/** The question keys of a file's records whose `use`, undefined if absent, is wanted. */
export async function questionsOf(
  source: string,
  wanted: (use: unknown) => boolean,
  onBroken?: OnBroken,
): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const { value } of readJsonRecords(source, onBroken)) {
    if (typeof value !== "object" || value === null || !("question" in value)) continue;
    if (typeof value.question === "string" && wanted("use" in value ? value.use : undefined)) {
      keys.add(questionKey({ question: value.question }));
    }
  }
  return keys;
}

function uniqueId(id: string, ids: Set<string>): string {
  let unique = id;
  for (let again = 2; ids.has(unique); again++) unique = `${id}#${again}`;
  ids.add(unique);
  return unique;
}
