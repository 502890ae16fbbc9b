// The vocabulary in a GGUF file's metadata (tokenizer.ggml.*): tokens, their types and special ids; and the merges that
// a SentencePiece vocabulary's scores stand for.

import { MagdiError } from "../base/errors.ts";

export type GgufMetadata = ReadonlyMap<string, unknown>;

/** Values of tokenizer.ggml.token_type, from llama.cpp. */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/**
 * Of all pieces' lengths, squared: the most characters that are looked at, and written, to find how pieces are made of each
 * other. The largest published vocabularies come to some 2^24.
 */
const MAX_MERGE_WORK = 2 ** 26;

/** SentencePiece's default ids. */
const SENTENCEPIECE_IDS = { bos: 1, eos: 2, unknown: 0 };

export interface Vocabulary {
  /** Text by id. */
  readonly tokens: readonly string[];
  readonly types: ArrayLike<number>;
  /** "bos", "eos", "unknown", … → id */
  readonly named: ReadonlyMap<string, number>;
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
}

/** @throws MAGDI_BAD_FILE for keys that are missing, of the wrong type or contradictory */
export function readVocabulary(metadata: GgufMetadata): Vocabulary {
  const tokens = strings(metadata, "tokenizer.ggml.tokens").map((token, id) => token || `[EMPTY_${id}]`);
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    const other = ids.get(token);
    if (other !== undefined) {
      throw bad("tokenizer.ggml.tokens", `has ${JSON.stringify(token)} twice, as ${other} and ${id}`);
    }
    ids.set(token, id);
  }
  const named = new Map<string, number>();
  for (const [key, value] of metadata) {
    const name = /^tokenizer\.ggml\.(\w+)_token_id$/.exec(key)?.[1];
    if (name === undefined) continue;
    const id = Number(value);
    if (!Number.isSafeInteger(id)) throw bad(key, `should be a token id, found ${String(value)}`);
    // An id out of range is ignored, as in llama.cpp: some files have a padding id of −1.
    if (id >= 0 && id < tokens.length) named.set(name, id);
  }
  const isSentencePiece = metadata.get("tokenizer.ggml.model") === "llama";
  for (const [name, id] of isSentencePiece ? Object.entries(SENTENCEPIECE_IDS) : []) {
    if (!metadata.has(`tokenizer.ggml.${name}_token_id`) && id < tokens.length) named.set(name, id);
  }
  const types = metadata.has("tokenizer.ggml.token_type")
    ? Int32Array.from(numbers(metadata, "tokenizer.ggml.token_type", tokens.length))
    : new Int32Array(tokens.length).fill(TOKEN_TYPE.normal);
  const promoted = metadata.has("tokenizer.ggml.token_type") ? ["eos", "eot", "eom"] : [...named.keys()];
  for (const name of promoted) {
    const id = named.get(name);
    if (id !== undefined && types[id] === TOKEN_TYPE.normal) types[id] = TOKEN_TYPE.control;
  }
  return { tokens, types, named, bosId: named.get("bos"), eosId: named.get("eos") };
}

export function strings(metadata: GgufMetadata, key: string): readonly string[] {
  const value = metadata.get(key);
  const isStrings = Array.isArray(value) && value.every((item: unknown) => typeof item === "string");
  if (!isStrings) throw bad(key, `should be a list of strings, found ${describe(value)}`);
  return value;
}

export function numbers(metadata: GgufMetadata, key: string, length: number): number[] {
  const value = metadata.get(key);
  const list =
    ArrayBuffer.isView(value) && !(value instanceof DataView) ? Array.from(value as Int32Array) : value;
  if (!Array.isArray(list)) throw bad(key, `should be a list of numbers, found ${describe(value)}`);
  if (list.length < length) throw bad(key, `has ${list.length} entries for ${length} tokens`);
  return list.map(Number);
}

export function flag(metadata: GgufMetadata, key: string, absent: boolean): boolean {
  const value = metadata.get(key) ?? absent;
  if (typeof value !== "boolean") throw bad(key, `should be true or false, found ${describe(value)}`);
  return value;
}

function describe(value: unknown): string {
  return value === undefined ? "no such key" : Array.isArray(value) ? "a list of other values" : typeof value;
}

export function bad(key: string, what: string): MagdiError {
  return new MagdiError("MAGDI_BAD_FILE", `${key} ${what}`);
}

/**
 * Every way to make a piece of two others is a merge, by the piece's score, best first: SentencePiece merges the
 * neighbours whose piece scores best. Ties are in the order of Transformers' converter (generate_merges).
 * @param pieces piece → id, of the pieces that merging may use
 * @param scores score by id
 * @throws MAGDI_UNSUPPORTED when the pieces are so long that this takes far more than their size
 */
export function mergesFromScores(
  pieces: ReadonlyMap<string, number>,
  scores: ArrayLike<number>,
): [string, string][] {
  let work = 0;
  for (const piece of pieces.keys()) work += piece.length ** 2;
  if (work > MAX_MERGE_WORK) {
    throw new MagdiError(
      "MAGDI_UNSUPPORTED",
      "tokenizer.ggml.tokens: has pieces far longer than a vocabulary's: " +
        `expected lengths whose squares come to at most ${MAX_MERGE_WORK}, found ${work}`,
    );
  }
  const textOf = new Map<number, string>();
  const lengthOf = new Map<number, number>();
  for (const [piece, id] of pieces) {
    textOf.set(id, piece);
    lengthOf.set(id, codePoints(piece));
  }
  interface Merge {
    readonly left: number;
    readonly right: number;
    readonly score: number;
    /** The merged piece's place. */
    readonly order: number;
  }
  const merges: Merge[] = [];
  let order = 0;
  for (const [piece, id] of pieces) {
    order++;
    const score = scores[id]!;
    for (let cut = 1; cut < piece.length; cut++) {
      const left = pieces.get(piece.slice(0, cut));
      const right = left === undefined ? undefined : pieces.get(piece.slice(cut));
      if (left !== undefined && right !== undefined) merges.push({ left, right, score, order });
    }
  }
  merges.sort(
    (a, b) =>
      b.score - a.score ||
      lengthOf.get(b.left)! - lengthOf.get(a.left)! ||
      lengthOf.get(b.right)! - lengthOf.get(a.right)! ||
      a.order - b.order ||
      a.left - b.left ||
      a.right - b.right,
  );
  return merges.map(({ left, right }) => [textOf.get(left)!, textOf.get(right)!]);
}

function codePoints(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xdc00 || unit > 0xdfff) count++;
  }
  return count;
}
