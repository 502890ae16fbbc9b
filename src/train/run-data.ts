// From files of MAGs to what a run learns from and is validated on, as its settings say. It knows no model but its text.

import { MagdiError } from "../errors.ts";
import { type GraphDataOptions, graphData } from "./graph-data.ts";
import {
  rowsApart,
  type StudentText,
  type TokeniseCounts,
  tokeniseMags,
  tokeniseTwoTasks,
} from "./mag/mag-batch.ts";
import { loadMags } from "./mag/mag-file.ts";
import { graphType, type Mag, withNodes } from "./mag/mag-schema.ts";
import { shuffled } from "./mag/pairs.ts";
import { heldOut, questionKey } from "./mag/selections.ts";
import type { TrainingUnit } from "./mag/training-batch.ts";
import { derivedSeed, seededRandom } from "./seeded-random.ts";
import type { TrainingData } from "./training-data.ts";
import type { TrainingSettings } from "./training-settings.ts";

export interface DataPart {
  readonly data: TrainingData;
  readonly mags: number;
  readonly counts: TokeniseCounts;
}

export interface RunData {
  readonly training: DataPart;
  readonly validation: DataPart | null;
  /** MAGs left out of training because validation asks the same question. */
  readonly alsoInValidation: number;
}

/** @throws MAGDI_FILE_MISSING; MAGDI_BAD_FILE with file and line; MAGDI_BAD_CONFIG when the settings leave nothing. */
export async function readRunData(settings: TrainingSettings, student: StudentText): Promise<RunData> {
  const files = await Promise.all(settings.data.map((file) => loadMags([file], { use: "train" })));
  assertAgents(settings, files.flat());
  const given = settings.validation.length > 0;
  const split = heldOut(files.flat(), given ? 0 : settings.validationShare, random(settings, "validation"));
  const held = given ? await loadMags(settings.validation, { use: "train" }) : split.validation;
  const kept = new Set(held.map(questionKey));
  const parts = files.map((mags) =>
    selected(
      mags.filter((mag) => !kept.has(questionKey(mag))),
      settings,
    ),
  );
  const training = balanced(limited(parts, settings), settings);
  if (training.length === 0) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `data: expected MAGs that the settings leave something of, found none in ${settings.data.join(", ")} (recipe ${settings.recipe})`,
    );
  }
  const validation = selected(held, settings);
  return {
    training: part(training, settings, student),
    validation: validation.length === 0 ? null : part(validation, settings, student),
    alsoInValidation: given ? files.flat().filter((mag) => kept.has(questionKey(mag))).length : 0,
  };
}

const random = ({ seed }: TrainingSettings, what: string): (() => number) =>
  seededRandom(derivedSeed(seed, what));

function assertAgents({ agents }: TrainingSettings, mags: readonly Mag[]): void {
  const there = new Set(mags.flatMap(({ nodes }) => nodes.map(({ agent }) => agent)));
  const unknown = agents.filter((agent) => !there.has(agent));
  if (unknown.length === 0) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `agents: expected some of ${[...there].sort().join(", ")}, found ${unknown.join(", ")}`,
  );
}

function selected(mags: readonly Mag[], settings: TrainingSettings): Mag[] {
  const { agents, nodes, rounds, leaveOutGraphs } = settings;
  return mags
    .filter((mag) => !leaveOutGraphs.includes(graphType(mag)))
    .flatMap(
      (mag) =>
        withNodes(
          mag,
          ({ agent, round, label }) =>
            (agents.length === 0 || agents.includes(agent)) &&
            (rounds === "all" || round === 0) &&
            (nodes === "all" || label === 1),
        ) ?? [],
    );
}

/** So many in all, drawn; each file keeps its own. */
function limited(
  parts: readonly (readonly Mag[])[],
  settings: TrainingSettings,
): readonly (readonly Mag[])[] {
  const all = parts.flat();
  if (settings.mags === null || settings.mags >= all.length) return parts;
  const drawn = new Set(shuffled(all, random(settings, "mags")).slice(0, settings.mags));
  return parts.map((part) => part.filter((mag) => drawn.has(mag)));
}

function balanced(parts: readonly (readonly Mag[])[], { balance }: TrainingSettings): Mag[] {
  if (balance === "none") return parts.flat();
  const most = Math.max(...parts.map(({ length }) => length));
  return parts.flatMap(
    (part) =>
      part.length === 0 ? [] : Array.from({ length: most }, (_, index) => part[index % part.length]!), // below its length
  );
}

function part(mags: readonly Mag[], settings: TrainingSettings, student: StudentText): DataPart {
  const { losses, edges, lossOnPrompt, pairing, maxTokens, tooLong } = settings;
  const options: GraphDataOptions = { adjacency: edges, lossOnPrompt, pairs: pairing };
  const { groups, counts } = tokenised(mags, settings.chains, student, { maxTokens, tooLong });
  // Where no loss relates the rows of a graph, each is an item, and what has no label teaches nothing.
  const apart = !losses.includes("margin") && !losses.includes("node");
  const members = Object.entries(groups).map(([group, units]): [string, readonly TrainingUnit[]] => [
    group,
    apart ? rowsApart(units).filter(({ rows }) => rows.some(({ label }) => label === 1)) : units,
  ]);
  if (members.every(([, units]) => units.length === 0)) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `data: nothing is left of ${mags.length} MAGs; maxTokens is ${maxTokens}, and ${counts.promptsTooLong} prompts and ${counts.rowsDropped} rows are longer`,
    );
  }
  return { data: graphData(Object.fromEntries(members), options), mags: mags.length, counts };
}

function tokenised(
  mags: readonly Mag[],
  chains: TrainingSettings["chains"],
  student: StudentText,
  options: { readonly maxTokens: number; readonly tooLong: "cut" | "drop" },
): { readonly groups: Readonly<Record<string, readonly TrainingUnit[]>>; readonly counts: TokeniseCounts } {
  if (chains === "two-tasks") {
    const { rationale, label, counts } = tokeniseTwoTasks(mags, student, options);
    return { groups: { rationale, label }, counts };
  }
  const { units, counts } = tokeniseMags(mags, student, options);
  return { groups: { chains: units }, counts };
}
