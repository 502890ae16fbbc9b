// Reads a run's training and validation data from files of MAGs, as its settings say. Of the base it needs the tokenizer and
// the chat template only.

import { MagdiError } from "../../base/errors.ts";
import { shuffled } from "../../mag/contrastive-pairs.ts";
import { loadMags, readMagRecords } from "../../mag/mag-file.ts";
import { graphType, type Mag, withNodes } from "../../mag/mag-schema.ts";
import { heldOut, questionKey } from "../../mag/question-split.ts";
import { type ChatExample, loadChatExamples } from "../batches/chat-file.ts";
import { dataByLoss, type GraphDataOptions, graphData, type UnitGroups } from "../batches/graph-data.ts";
import { derivedSeed, seededRandom } from "../batches/seeded-random.ts";
import { tokeniseChats } from "../batches/tokenised-chats.ts";
import {
  type StudentText,
  type TokeniseCounts,
  type TokeniseOptions,
  tokeniseMags,
  tokeniseTwoTasks,
} from "../batches/tokenised-mags.ts";
import type { TrainingData } from "../batches/training-data.ts";
import { rowsApart, type Taught, type TrainingUnit, taughtBy } from "../batches/training-unit.ts";
import { trainingSettings } from "./setting-groups.ts";
import type { SettledSettings } from "./training-settings.ts";

export interface DataPart {
  readonly data: TrainingData;
  /** MAGs, or examples, of which something is left, and how many there were. */
  readonly mags: number;
  readonly of: number;
  readonly counts: TokeniseCounts;
  readonly taught: Taught;
  /** See tokeniseChats. */
  readonly promptsRejoined: number;
}

export interface RunData {
  readonly training: DataPart;
  readonly validation: DataPart | null;
  /** MAGs held out for validation of which nothing is left. */
  readonly validationLost: number;
  /** MAGs left out of training because validation asks the same question. */
  readonly alsoInValidation: number;
  /** Losses that have nothing to learn from in training or validation: a sentence each. */
  readonly idleLosses: readonly string[];
}

/** How the files of one format become units to learn from. */
interface Format<T> {
  readonly load: (file: string) => Promise<T[]>;
  /** What the settings leave of the records. */
  readonly selected: (records: readonly T[]) => T[];
  readonly tokenised: (
    records: readonly T[],
  ) => Pick<DataPart, "counts" | "promptsRejoined"> & { readonly groups: UnitGroups };
}

/** @throws MAGDI_FILE_MISSING; MAGDI_BAD_FILE with file and line, for texts that the base has no tokens for too; MAGDI_BAD_CONFIG when the settings leave nothing. */
export async function readRunData(settings: SettledSettings, student: StudentText): Promise<RunData> {
  return settings.dataFormat === "chat"
    ? readAs(chatFormat(settings, student), settings)
    : readAs(magFormat(settings, student), settings);
}

function magFormat(settings: SettledSettings, student: StudentText): Format<Mag> {
  const { maxTokens, tooLong, losses, chains } = settings;
  const missingNodes = settings.missingNodes === "third-class" && losses.includes("node");
  const options = { maxTokens, tooLong, missingNodes };
  const format: Omit<Format<Mag>, "load"> = {
    selected: (mags) => selected(mags, settings),
    tokenised: (mags) => ({ ...tokenised(mags, chains, student, options), promptsRejoined: 0 }),
  };
  return {
    ...format,
    async load(file) {
      if (student.hasRowlessTokens) await assertRows(magsOf(file), format);
      return loadMags([file], { use: "train" });
    },
  };
}

async function* magsOf(file: string): AsyncGenerator<{ readonly where: string; readonly record: Mag }> {
  for await (const { where, mag } of readMagRecords(file, { use: "train" })) yield { where, record: mag };
}

/** Settings that only graphs have. */
const OF_GRAPHS = ["agents", "nodes", "rounds", "leaveOutGraphs", "chains", "missingNodes"] as const;

function chatFormat(settings: SettledSettings, student: StudentText): Format<ChatExample> {
  if (settings.losses.join() !== "nll") {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `losses: expected nll with dataFormat chat, found ${settings.losses.join(", ") || "none"}`,
    );
  }
  const set = OF_GRAPHS.find(
    (key) => JSON.stringify(settings[key]) !== JSON.stringify(trainingSettings.shape[key].parse(undefined)),
  );
  if (set !== undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `${set}: expected nothing with dataFormat chat, which has no graphs, found ${JSON.stringify(settings[set])}`,
    );
  }
  const format: Omit<Format<ChatExample>, "load"> = {
    selected: (examples) => [...examples],
    tokenised(examples) {
      const { units, counts, promptsRejoined } = tokeniseChats(examples, student, settings);
      return { groups: { chats: units }, counts, promptsRejoined };
    },
  };
  return {
    ...format,
    async load(file) {
      const examples = await loadChatExamples(file);
      if (student.hasRowlessTokens) await assertRows(placed(examples), format);
      return examples;
    },
  };
}

async function* placed(
  examples: readonly ChatExample[],
): AsyncGenerator<{ readonly where: string; readonly record: ChatExample }> {
  for (const record of examples) yield { where: record.id, record };
}

async function readAs<T extends { readonly question: string }>(
  format: Format<T>,
  settings: SettledSettings,
): Promise<RunData> {
  const files = await Promise.all(settings.data.map(format.load));
  assertAgents(settings, files.flat());
  const given = settings.validation.length > 0;
  // A single question cannot be split.
  const isSplit = !given && new Set(files.flat().map(questionKey)).size > 1;
  const split = heldOut(files.flat(), isSplit ? settings.validationShare : 0, random(settings, "validation"));
  const held = given ? (await Promise.all(settings.validation.map(format.load))).flat() : split.validation;
  const kept = new Set(held.map(questionKey));
  const parts = files.map((records) =>
    format.selected(records.filter((record) => !kept.has(questionKey(record)))),
  );
  const training = part(balanced(limited(parts, settings), settings), settings, format);
  assertSomething("data", settings.data, training, settings);
  const validation = part(format.selected(held), settings, format);
  if (given) assertSomething("validation", settings.validation, validation, settings);
  const validates = validation.data.items.length > 0;
  return {
    training,
    validation: validates ? validation : null,
    validationLost: validates ? 0 : held.length,
    alsoInValidation: given ? files.flat().filter((record) => kept.has(questionKey(record))).length : 0,
    idleLosses: [
      ...idleLosses(training, settings).map((why) => `training: ${why}`),
      ...(validates ? idleLosses(validation, settings).map((why) => `validation: ${why}`) : []),
    ],
  };
}

/** Of the records of a file, each alone. @throws MAGDI_BAD_FILE with the record's place for a text with a token that the base
 * has no embedding of */
async function assertRows<T>(
  records: AsyncIterable<{ readonly where: string; readonly record: T }>,
  { selected, tokenised }: Pick<Format<T>, "selected" | "tokenised">,
): Promise<void> {
  for await (const { where, record } of records) {
    try {
      tokenised(selected([record]));
    } catch (cause) {
      if (!(cause instanceof MagdiError) || cause.code !== "MAGDI_BAD_FILE") throw cause;
      throw new MagdiError(cause.code, `${where}: ${cause.message}`, { cause });
    }
  }
}

/** The losses for which there is nothing, and why. */
function idleLosses({ taught }: DataPart, { losses }: SettledSettings): string[] {
  const { right, contrasted, labels } = taught;
  const same = labels.has(1) ? "right" : "wrong";
  return losses.flatMap((loss) => {
    if (loss === "nll") return right === 0 ? ["nll: no row is right"] : [];
    if (loss === "margin") return contrasted === 0 ? ["margin: no graph has right and wrong rows"] : [];
    return labels.size < 2 ? [`node: all rows are ${same}`] : [];
  });
}

const random = ({ seed }: SettledSettings, what: string): (() => number) =>
  seededRandom(derivedSeed(seed, what));

function assertAgents({ agents }: SettledSettings, records: readonly object[]): void {
  if (agents.length === 0) return;
  const mags = records.filter((record): record is Mag => "nodes" in record);
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
function limited<T>(parts: readonly (readonly T[])[], settings: SettledSettings): readonly (readonly T[])[] {
  const all = parts.flat();
  if (settings.mags === null || settings.mags >= all.length) return parts;
  const drawn = new Set(shuffled(all, random(settings, "mags")).slice(0, settings.mags));
  return parts.map((part) => part.filter((mag) => drawn.has(mag)));
}

/** With balance "files", smaller files are repeated to the size of the largest. */
function balanced<T>(parts: readonly (readonly T[])[], { balance }: SettledSettings): T[] {
  if (balance === "none") return parts.flat();
  const most = Math.max(...parts.map(({ length }) => length));
  return parts.flatMap(
    (part) =>
      part.length === 0 ? [] : Array.from({ length: most }, (_, index) => part[index % part.length]!), // below its length
  );
}

function part<T>(records: readonly T[], settings: SettledSettings, format: Format<T>): DataPart {
  const { groups, ...told } = format.tokenised(records);
  const units = Object.values(groups).flat();
  return {
    ...told,
    data: dataOf(groups, settings),
    mags: told.counts.items,
    of: records.length,
    taught: taughtBy(units),
  };
}

/** @throws MAGDI_BAD_CONFIG when no loss has anything to learn from */
function assertSomething(
  key: string,
  files: readonly string[],
  part: DataPart,
  settings: SettledSettings,
): void {
  const { data, of, counts } = part;
  const idle = idleLosses(part, settings);
  if (data.items.length > 0 && idle.length < settings.losses.length) return;
  const { recipe, maxTokens } = settings;
  const records = settings.dataFormat === "chat" ? "examples" : "MAGs";
  const dropped = `maxTokens is ${maxTokens}, and ${counts.promptsTooLong} prompts and ${counts.rowsDropped} rows are longer`;
  const why =
    of === 0
      ? `the settings of recipe ${recipe} leave no ${records}`
      : data.items.length === 0 && counts.rows === 0
        ? `nothing is left of ${of} ${records}; ${dropped}`
        : `${idle.join("; ")} (${counts.rows} rows of ${of} ${records}${counts.rowsDropped > 0 ? `; ${dropped}` : ""})`;
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
