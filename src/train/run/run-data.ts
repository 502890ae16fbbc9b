// Reads a run's training and validation data from files of MAGs, as its settings say. Of the base it needs the tokenizer and
// the chat template only.

import { MagdiError } from "../../base/errors.ts";
import { shuffled } from "../../mag/contrastive-pairs.ts";
import { loadMags, readMagRecords } from "../../mag/mag-file.ts";
import { graphType, type Mag, withNodes } from "../../mag/mag-schema.ts";
import { heldOut, questionKey } from "../../mag/question-split.ts";
import { dataByLoss, type GraphDataOptions, graphData, type UnitGroups } from "../batches/graph-data.ts";
import { derivedSeed, seededRandom } from "../batches/seeded-random.ts";
import {
  type StudentText,
  type TokeniseCounts,
  type TokeniseOptions,
  tokeniseMags,
  tokeniseTwoTasks,
} from "../batches/tokenised-mags.ts";
import type { TrainingData } from "../batches/training-data.ts";
import { rowsApart, type TrainingUnit } from "../batches/training-unit.ts";
import type { SettledSettings } from "./training-settings.ts";

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

/** @throws MAGDI_FILE_MISSING; MAGDI_BAD_FILE with file and line, for texts that the base has no tokens for too; MAGDI_BAD_CONFIG when the settings leave nothing. */
export async function readRunData(settings: SettledSettings, student: StudentText): Promise<RunData> {
  for (const file of [...settings.data, ...settings.validation]) await assertRows(file, settings, student);
  const files = await Promise.all(settings.data.map((file) => loadMags([file], { use: "train" })));
  assertAgents(settings, files.flat());
  const given = settings.validation.length > 0;
  // A single question cannot be split.
  const isSplit = !given && new Set(files.flat().map(questionKey)).size > 1;
  const split = heldOut(files.flat(), isSplit ? settings.validationShare : 0, random(settings, "validation"));
  const held = given ? await loadMags(settings.validation, { use: "train" }) : split.validation;
  const kept = new Set(held.map(questionKey));
  const parts = files.map((mags) =>
    selected(
      mags.filter((mag) => !kept.has(questionKey(mag))),
      settings,
    ),
  );
  const training = part(balanced(limited(parts, settings), settings), settings, student);
  assertSomething("data", settings.data, training, settings);
  const validation = part(selected(held, settings), settings, student);
  if (given) assertSomething("validation", settings.validation, validation, settings);
  return {
    training,
    validation: validation.data.items.length === 0 ? null : validation,
    alsoInValidation: given ? files.flat().filter((mag) => kept.has(questionKey(mag))).length : 0,
  };
}

/** @throws MAGDI_BAD_FILE with file and line for a text with a token that the base has no embedding of */
async function assertRows(file: string, settings: SettledSettings, student: StudentText): Promise<void> {
  if (!student.hasRowlessTokens) return;
  for await (const { where, mag } of readMagRecords(file, { use: "train" })) {
    try {
      part(selected([mag], settings), settings, student);
    } catch (cause) {
      if (!(cause instanceof MagdiError) || cause.code !== "MAGDI_BAD_FILE") throw cause;
      throw new MagdiError(cause.code, `${where}: ${cause.message}`, { cause });
    }
  }
}

const random = ({ seed }: SettledSettings, what: string): (() => number) =>
  seededRandom(derivedSeed(seed, what));

function assertAgents({ agents }: SettledSettings, mags: readonly Mag[]): void {
  const there = new Set(mags.flatMap(({ nodes }) => nodes.map(({ agent }) => agent)));
  const unknown = agents.filter((agent) => !there.has(agent));
  if (unknown.length === 0) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `agents: expected some of ${[...there].sort().join(", ")}, found ${unknown.join(", ")}`,
  );
}

function selected(mags: readonly Mag[], settings: SettledSettings): Mag[] {
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

/** At most `settings.mags` MAGs of all files together, drawn at random. */
function limited(parts: readonly (readonly Mag[])[], settings: SettledSettings): readonly (readonly Mag[])[] {
  const all = parts.flat();
  if (settings.mags === null || settings.mags >= all.length) return parts;
  const drawn = new Set(shuffled(all, random(settings, "mags")).slice(0, settings.mags));
  return parts.map((part) => part.filter((mag) => drawn.has(mag)));
}

/** With balance "files", smaller files are repeated to the size of the largest. */
function balanced(parts: readonly (readonly Mag[])[], { balance }: SettledSettings): Mag[] {
  if (balance === "none") return parts.flat();
  const most = Math.max(...parts.map(({ length }) => length));
  return parts.flatMap(
    (part) =>
      part.length === 0 ? [] : Array.from({ length: most }, (_, index) => part[index % part.length]!), // below its length
  );
}

function part(mags: readonly Mag[], settings: SettledSettings, student: StudentText): DataPart {
  const { maxTokens, tooLong, losses } = settings;
  const missingNodes = settings.missingNodes === "third-class" && losses.includes("node");
  const options = { maxTokens, tooLong, missingNodes };
  const { groups, counts } = tokenised(mags, settings.chains, student, options);
  return { data: dataOf(groups, settings), mags: mags.length, counts };
}

function assertSomething(
  key: string,
  files: readonly string[],
  { data, mags, counts }: DataPart,
  { recipe, maxTokens }: SettledSettings,
): void {
  if (data.items.length > 0) return;
  const why =
    mags === 0
      ? `the settings of recipe ${recipe} leave no MAG`
      : `nothing is left of ${mags} MAGs; maxTokens is ${maxTokens}, and ${counts.promptsTooLong} prompts and ${counts.rowsDropped} rows are longer`;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `${key}: expected something to learn from in ${files.join(", ")}, found none: ${why}`,
  );
}

/** Whether a run's batches have shared prompts. Not with "padded" pooling, which depends on the padding of each node's own
 * sequence, nor with token attention, where the prompt's tokens would count once instead of once for each node. */
export function sharesPrompts({ sharedPrompts, pooling, nodeClassifier, losses }: SettledSettings): boolean {
  const byToken = losses.includes("node") && nodeClassifier === "token-attention";
  const graphs = losses.includes("margin") || losses.includes("node");
  return sharedPrompts && graphs && pooling === "tokens" && !byToken;
}

function dataOf(groups: UnitGroups, settings: SettledSettings): TrainingData {
  const { losses, edges, lossOnPrompt, pairing, pooling, questions } = settings;
  const sharedPrompts = sharesPrompts(settings);
  const options: GraphDataOptions = {
    adjacency: edges,
    lossOnPrompt,
    pairs: pairing,
    pooling,
    sharedPrompts,
  };
  const mapped = (map: (units: readonly TrainingUnit[]) => readonly TrainingUnit[]): TrainingData =>
    graphData(
      Object.fromEntries(Object.entries(groups).map(([group, units]) => [group, map(units)])),
      options,
    );
  // When no loss relates the rows of a graph, each right row is an item; the others have no labels.
  const chains = (units: readonly TrainingUnit[]): readonly TrainingUnit[] =>
    rowsApart(units).filter(({ rows }) => rows.some(({ label }) => label === 1));
  if (!losses.includes("margin") && !losses.includes("node")) return mapped(chains);
  if (questions === "together") return mapped((units) => units);
  const there = (units: readonly TrainingUnit[]): readonly TrainingUnit[] =>
    units.map((unit) => ({ ...unit, rows: unit.rows.filter(({ label }) => label !== 2), edges: [] }));
  const differ = ({ rows }: TrainingUnit): boolean => new Set(rows.map(({ label }) => label)).size > 1;
  const unitsOf = {
    nll: chains,
    margin: (units: readonly TrainingUnit[]) => there(units).filter(differ),
    node: (units: readonly TrainingUnit[]) => units,
  };
  return dataByLoss(losses.map((loss) => [loss, mapped(unitsOf[loss])]));
}

function tokenised(
  mags: readonly Mag[],
  chains: SettledSettings["chains"],
  student: StudentText,
  options: TokeniseOptions,
): { readonly groups: UnitGroups; readonly counts: TokeniseCounts } {
  if (chains === "two-tasks") {
    const { rationale, label, counts } = tokeniseTwoTasks(mags, student, options);
    return { groups: { rationale, label }, counts };
  }
  const { units, counts } = tokeniseMags(mags, student, options);
  return { groups: { chains: units }, counts };
}
