// Reads the debates of a folder or a file, one after another, and finds one by its id.

import { existsSync, statSync } from "node:fs";
import { MagdiError } from "../../base/errors.ts";
import { readJsonRecords } from "../../base/files/json-records.ts";
import { nearestName } from "../../base/settings/nearest-name.ts";
import { debateFiles } from "../write-debates.ts";
import type { DebateView } from "./debate-view.ts";
import { viewOfRecord } from "./view-of-record.ts";

/** Of the ids that are suggested for one that is not there. */
const MOST_NEAR = 5;

/**
 * The debates of `place`: a folder of magdi debate's, whose transcripts say more than its graphs, or a file of transcripts,
 * graphs or agents' outputs. Records without an id have their number from 1.
 * @throws MAGDI_FILE_MISSING; MAGDI_BAD_FILE naming file, line and field
 */
export async function* readDebates(place: string): AsyncGenerator<DebateView> {
  const file = fileOf(place);
  let number = 0;
  for await (const { where, value } of readJsonRecords(file)) {
    number += 1;
    yield viewOfRecord(value, where, String(number));
  }
}

/**
 * The debate with that id, or whose id ends with it behind a slash, or that is called BENCHMARK/ID.
 * @throws MAGDI_BAD_CONFIG when there is none, with near ids, or when there are several
 */
export async function findDebate(place: string, id: string): Promise<DebateView> {
  const found: DebateView[] = [];
  const ids: string[] = [];
  for await (const view of readDebates(place)) {
    if (`/${nameOf(view)}`.endsWith(`/${id}`)) found.push(view);
    ids.push(view.id);
  }
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return only;
  if (only !== undefined) {
    const names = [...new Set(found.map(nameOf))];
    const advice = names.length === found.length ? `; name one: ${names.slice(0, MOST_NEAR).join(", ")}` : "";
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `${place}: expected one debate ${id}, found ${found.length}${advice}`,
    );
  }
  const near = nearIds(id, ids);
  const advice =
    near.length > 0 ? `did you mean ${near.join(", ")}?` : `see all of them: magdi debate show ${place}`;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `${place}: expected the id of one of its ${ids.length} debates, found ${id}; ${advice}`,
  );
}

function nameOf({ benchmark, id }: DebateView): string {
  return `${benchmark}/${id}`;
}

/** Those that hold it or that it holds, and the nearest by its letters. */
function nearIds(given: string, ids: readonly string[]): string[] {
  const lower = given.toLowerCase();
  const similar = ids.filter((id) => {
    const other = id.toLowerCase();
    return other.includes(lower) || lower.includes(other);
  });
  const nearest = nearestName(given, ids);
  return [...new Set([...(nearest === null ? [] : [nearest]), ...similar])].slice(0, MOST_NEAR);
}

function fileOf(place: string): string {
  if (statSync(place, { throwIfNoEntry: false })?.isDirectory() !== true) return place;
  const { transcripts, mags } = debateFiles(place);
  const file = [transcripts, mags].find((one) => existsSync(one));
  if (file !== undefined) return file;
  throw new MagdiError(
    "MAGDI_FILE_MISSING",
    `${place}: expected transcripts.jsonl or mags.jsonl, as magdi debate writes them, found neither`,
  );
}
