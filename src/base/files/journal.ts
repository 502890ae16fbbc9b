// A journal from which a run can be continued: a first line that tells runs apart, then a line for each thing that is done.

import type { z } from "zod";
import { MagdiError } from "../errors.ts";
import { AppendLog } from "./append-log.ts";

export interface JournalOptions<T extends z.ZodType> {
  /** The first line. */
  readonly head: object;
  readonly line: T;
  /** What a line is, in errors: "an answer". */
  readonly lineName: string;
  /** What is said of a journal with another first line, behind its path. */
  readonly otherHead: string;
  /** Throws away what is there. */
  readonly fresh: boolean;
}

/**
 * Continues the journal at `path`, or begins it; a truncated last line is dropped.
 * @throws MagdiError MAGDI_BAD_CONFIG for another first line, with the file unchanged; MAGDI_BAD_FILE naming the line;
 * MAGDI_NOT_WRITTEN
 */
export function openJournal<T extends z.ZodType>(
  path: string,
  { head, line, lineName, otherHead, fresh }: JournalOptions<T>,
): { readonly log: AppendLog; readonly lines: z.output<T>[] } {
  const wanted = JSON.stringify(head);
  let lines: z.output<T>[] = [];
  let begun = false;
  const log = AppendLog.open(path, ([first, ...rest], tail) => {
    // Empty, or truncated within the first line.
    if (fresh || (first === undefined && wanted.startsWith(tail))) return 0;
    if (first !== wanted) throw new MagdiError("MAGDI_BAD_CONFIG", `${path}: ${otherHead}`);
    begun = true;
    lines = rest.map((text, index) => parsedLine(text, line, lineName, `${path}:${index + 2}`));
    return 1 + lines.length;
  });
  if (!begun) log.append(head);
  return { log, lines };
}

function parsedLine<T extends z.ZodType>(
  text: string,
  line: T,
  lineName: string,
  where: string,
): z.output<T> {
  try {
    return line.parse(JSON.parse(text));
  } catch (cause) {
    const found = text.slice(0, 40);
    throw new MagdiError("MAGDI_BAD_FILE", `${where}: expected ${lineName}, found ${found}`, { cause });
  }
}
