// The memory plan of an engine on the host: what of the memory that there is goes to the process, the weights, a step's
// scratch, requests and answers, and what is left for keys and values. It chooses what fits, or says why nothing does. It
// reads no files: sizes and limits are given.

import { MagdiError } from "../base/errors.ts";
import { BLOCK_TOKENS } from "./prefix-cache.ts";
import { type RowBudget, rowCost } from "./row-memory.ts";

/** What a student takes. */
export interface MemoryNeeds {
  readonly weightBytes: number;
  /** Keys and values of one token; 0 where they lie on a device. */
  readonly tokenBytes: number;
  /** Tokens of one head's keys in a page that can be given back; null where none can: then every row is held full. */
  readonly pageTokens: number | null;
  readonly heads: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  /** Positions that the student knows. */
  readonly positions: number;
  readonly prefillChunkTokens: number;
}

/** The settings that decide about memory; null: what fits. */
export interface MemoryWishes {
  readonly batchRows: number;
  readonly contextLength: number | null;
  readonly prefixCacheTokens: number | null;
  /** What a server holds of bodies that arrive and of answers that are not read; absent in a program without one. */
  readonly bodyBufferBytes?: number | null;
  readonly answerBufferBytes?: number | null;
  /** The largest body. */
  readonly bodyLimitBytes?: number;
}

export interface AvailableMemory {
  readonly bytes: number;
  /** What bounds it, as messages say it. */
  readonly boundedBy: string;
}

export const MEMORY_PARTS = [
  "process",
  "weights",
  "scratch",
  "requests",
  "bodies",
  "answers",
  "unread_answers",
  "reserve",
  "prefix_cache",
  "rows",
] as const;
export type MemoryPart = (typeof MEMORY_PARTS)[number];

export interface MemoryPlan {
  readonly available: AvailableMemory;
  readonly bytes: Readonly<Record<MemoryPart, number>>;
  readonly batchRows: number;
  readonly contextLength: number;
  readonly prefixCacheTokens: number;
  /** What decode rows may hold together; null: each may be full. */
  readonly rowBudget: RowBudget | null;
}

/** The default context length, where the student's own is longer. */
export const DEFAULT_CONTEXT_TOKENS = 4096;
/** Fewer would be of little use: a server that has no room for them does not start unless it is told to. */
const LEAST_CONTEXT_TOKENS = 512;
export const DEFAULT_PREFIX_CACHE_TOKENS = 2048;
/** Most of a buffer of bodies or unread answers that is not set. */
export const DEFAULT_BUFFER_BYTES = 64 * 2 ** 20;
/** What JSON.parse makes of a byte at most: "[{},{},…]". */
const PARSED_BYTES = 16;
/** Of all memory: a buffer of more is named where there is too little. */
const LARGE_BUFFER_SHARE = 1 / 16;
/** Of what is left for keys and values. */
const PREFIX_CACHE_SHARE = 0.1;

const MB = 1e6;
/** Node, the libraries and the server: 190 MB with the student that ships, without its weights. */
const PROCESS_BYTES = 200 * MB;
const FLOAT_BYTES = 4;
/** The runtime's arena grows by powers of two. */
const ARENA_SLACK = 2;

/** A share of all memory, between two bounds. */
const share = (available: AvailableMemory, part: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, available.bytes * part));

/** As it is set; by itself a part of all memory; none where there is no server. */
function buffer(available: AvailableMemory, set: number | null | undefined): number {
  if (set === undefined) return 0;
  return set ?? Math.floor(share(available, 1 / 64, 8 * MB, DEFAULT_BUFFER_BYTES));
}

/** What a step allocates: attention's scores, the activations of the widest layer, and logits. */
function scratchBytes(needs: MemoryNeeds, rows: number, contextLength: number): number {
  const { heads, hiddenSize, intermediateSize, vocabSize, prefillChunkTokens } = needs;
  const perPosition = heads * contextLength + 8 * hiddenSize + 3 * intermediateSize;
  const floats = Math.max(prefillChunkTokens * perPosition, rows * (perPosition + 3 * vocabSize));
  return ARENA_SLACK * FLOAT_BYTES * floats;
}

interface Fixed {
  readonly available: AvailableMemory;
  readonly needs: MemoryNeeds;
  readonly wishes: MemoryWishes;
}

/** Everything but keys and values, for one context length. */
function otherBytes({ available, needs, wishes }: Fixed, contextLength: number) {
  return {
    process: PROCESS_BYTES,
    weights: needs.weightBytes,
    scratch: needs.tokenBytes === 0 ? 0 : scratchBytes(needs, wishes.batchRows, contextLength),
    // Bodies as they are parsed, connections, and what the garbage collector has not collected yet.
    requests: Math.max(
      share(available, 3 / 32, 48 * MB, 384 * MB),
      PARSED_BYTES * (wishes.bodyLimitBytes ?? 0),
    ),
    // A body of the largest size is taken, whatever else the settings say.
    bodies: Math.max(buffer(available, wishes.bodyBufferBytes), 2 * (wishes.bodyLimitBytes ?? 0)),
    answers: share(available, 1 / 16, 24 * MB, 1024 * MB),
    unread_answers: buffer(available, wishes.answerBufferBytes),
    // The kernel's own: page tables, sockets; and what the allocator cannot use again.
    reserve: share(available, 1 / 20, 0, 512 * MB),
  };
}

const sum = (parts: Readonly<Record<string, number>>): number =>
  Object.values(parts).reduce((total, bytes) => total + bytes, 0);

/** A plan with this context length; null when it does not fit. */
function planFor(fixed: Fixed, contextLength: number): MemoryPlan | null {
  const { available, needs, wishes } = fixed;
  const { tokenBytes } = needs;
  const others = otherBytes(fixed, contextLength);
  const left = available.bytes - sum(others);
  if (left < 0) return null;
  const plan = (rows: number, prefixCacheTokens: number, rowBudget: RowBudget | null, tokens: number) => ({
    available,
    bytes: { ...others, prefix_cache: prefixCacheTokens * tokenBytes, rows: tokens * tokenBytes },
    batchRows: rows,
    contextLength,
    prefixCacheTokens,
    rowBudget,
  });
  if (tokenBytes === 0) {
    const tokens = wishes.prefixCacheTokens ?? DEFAULT_PREFIX_CACHE_TOKENS;
    return plan(wishes.batchRows, tokens, null, 0);
  }
  const tokens = Math.floor(left / tokenBytes);
  const { row, padding, least } = rowTokens(needs, contextLength);
  const prefixCacheTokens = wishes.prefixCacheTokens ?? prefixShare(tokens, least);
  const pool = tokens - prefixCacheTokens;
  const all = (wishes.batchRows + 1) * row + padding;
  if (pool >= all) return plan(wishes.batchRows, prefixCacheTokens, null, all);
  if (pool < least) return null;
  if (needs.pageTokens === null) {
    const rows = Math.floor((pool - padding) / row) - 1;
    return plan(rows, prefixCacheTokens, null, (rows + 1) * row + padding);
  }
  const rowBudget = { tokens: pool - row - padding, pageTokens: needs.pageTokens };
  return plan(wishes.batchRows, prefixCacheTokens, rowBudget, pool);
}

/** Of `tokens`, which have to leave `least`. */
function prefixShare(tokens: number, least: number): number {
  const most = Math.min(DEFAULT_PREFIX_CACHE_TOKENS, tokens * PREFIX_CACHE_SHARE, tokens - least);
  return Math.max(0, Math.floor(most / BLOCK_TOKENS)) * BLOCK_TOKENS;
}

/** What a full row takes, what a row that only pads a batch does, and the least of all rows: the prompt that is computed
 * has a row of its own beside the decode rows. */
function rowTokens({ pageTokens }: MemoryNeeds, contextLength: number) {
  const row = rowCost(contextLength, pageTokens ?? 1);
  const padding = rowCost(1, pageTokens ?? 1);
  return { row, padding, least: (pageTokens === null ? 3 : 2) * row + padding };
}

/** The longest context of whole blocks, at most `most`, that fits; 0 for none. */
function longestContext(fixed: Fixed, most: number): number {
  let [fits, fails] = [0, Math.floor(most / BLOCK_TOKENS) + 1];
  while (fails - fits > 1) {
    const middle = Math.floor((fits + fails) / 2);
    if (planFor(fixed, middle * BLOCK_TOKENS) === null) fails = middle;
    else fits = middle;
  }
  return fits * BLOCK_TOKENS;
}

/**
 * Chooses context length, prefix cache and how much decode rows may hold together, so that every request that is accepted
 * has the memory for its end.
 * @throws MAGDI_BAD_CONFIG when what was asked for, or the least that is of use, does not fit
 */
export function planMemory(available: AvailableMemory, needs: MemoryNeeds, wishes: MemoryWishes): MemoryPlan {
  const fixed = { available, needs, wishes };
  const wanted = wishes.contextLength ?? Math.min(needs.positions, DEFAULT_CONTEXT_TOKENS);
  const plan = planFor(fixed, wanted);
  if (plan !== null) return plan;
  const longest = longestContext(fixed, wanted);
  if (wishes.contextLength === null && longest >= Math.min(wanted, LEAST_CONTEXT_TOKENS)) {
    const shorter = planFor(fixed, longest);
    if (shorter !== null) return shorter;
  }
  throw refusal(fixed, wishes.contextLength ?? Math.min(wanted, LEAST_CONTEXT_TOKENS), longest);
}

const inMb = (bytes: number): number => Math.round(bytes / MB);

function refusal(fixed: Fixed, contextLength: number, longest: number): MagdiError {
  const { available, needs, wishes } = fixed;
  const { weights, ...others } = otherBytes(fixed, contextLength);
  const buffers = [
    ["body-buffer-bytes", wishes.bodyBufferBytes],
    ["answer-buffer-bytes", wishes.answerBufferBytes],
    ["body-limit-bytes", PARSED_BYTES * (wishes.bodyLimitBytes ?? 0)],
  ] as const;
  const large = buffers.filter(([, bytes]) => (bytes ?? 0) > available.bytes * LARGE_BUFFER_SHARE);
  const rows = rowTokens(needs, contextLength).least * needs.tokenBytes;
  const prefixes = (wishes.prefixCacheTokens ?? 0) * needs.tokenBytes;
  const [all, rest] = [weights + sum(others) + rows + prefixes, sum(others)];
  const remedies = [
    ...(longest >= BLOCK_TOKENS && wishes.contextLength !== null ? [`context-length ${longest}`] : []),
    ...(prefixes > 0 ? ["a smaller prefix-cache-tokens"] : []),
    ...large.map(([name]) => `a smaller ${name}`),
    "a smaller dtype or student",
  ];
  const cache = prefixes > 0 ? `, ${inMb(prefixes)} MB of prefix cache` : "";
  return new MagdiError(
    "MAGDI_BAD_CONFIG",
    `memory: expected at least ${inMb(all)} MB for ${inMb(weights)} MB of weights, ${inMb(rows)} MB of keys and values (a prompt and a sample of ${contextLength} tokens)${cache} and ${inMb(rest)} MB of everything else, found ${inMb(available.bytes)} MB (${available.boundedBy}); give it more, or choose ${remedies.join(", ")}`,
  );
}

/** One sentence: what was taken of what there is. */
export function describePlan({ available, bytes, ...plan }: MemoryPlan): string {
  const rows =
    plan.rowBudget === null
      ? `${plan.batchRows} rows of ${plan.contextLength} tokens each`
      : `${plan.batchRows} rows of at most ${plan.contextLength} tokens, which share ${plan.rowBudget.tokens}`;
  return (
    `${inMb(sum(bytes))} of ${inMb(available.bytes)} MB (${available.boundedBy}) for ${rows}, ` +
    `${plan.prefixCacheTokens} tokens of prefix cache, ${inMb(bytes.weights)} MB of weights, ` +
    `${inMb(bytes.answers)} MB of log-probabilities`
  );
}
