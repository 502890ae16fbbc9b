// Keys and values of prompts' beginnings, kept for the next prompt that begins the same: for each scope a tree of token
// blocks, over one bounded pool. It knows tokens and the prompt row, no requests and no steps.

import type { ModelRunner, TokenBlock } from "./model-runner.ts";

/** Tokens of a block: the unit of memory, not of reuse, which may end within a block. */
export const BLOCK_TOKENS = 16;

export type PromptRow = Pick<ModelRunner, "newBlock" | "saveTokens" | "loadTokens">;

interface Root {
  readonly scope: string;
  readonly children: Block[];
}

/** The tokens that follow its parent's. Only a full block has children. */
interface Block {
  readonly parent: Root | Block;
  readonly children: Block[];
  /** Token ids [BLOCK_TOKENS], `length` of them meant. */
  readonly tokens: Int32Array;
  length: number;
  /** Keys and values of the tokens. */
  readonly memory: TokenBlock;
}

/** How far a tree agrees with a prompt. */
interface Match {
  readonly root: Root;
  /** From the root on; of the last block perhaps only the first tokens agree. */
  readonly path: Block[];
  readonly length: number;
}

/**
 * Every call copies at once and between steps, so that nothing is evicted while it is read. The least recently used
 * block goes first, and never before the blocks that follow it.
 *
 * @example const cache = new PrefixCache(runner, 2048);
 */
export class PrefixCache {
  readonly #row: PromptRow;
  readonly #maxBlocks: number;
  readonly #roots = new Map<string, Root>();
  /** All blocks, the least recently used first, each before its parent. */
  readonly #byUse = new Set<Block>();
  #queriedTokens = 0;
  #hitTokens = 0;

  /** Memory is taken as prompts come, in whole blocks; fewer tokens than a block's turn the cache off. */
  constructor(row: PromptRow, capacityTokens: number) {
    this.#row = row;
    this.#maxBlocks = Math.floor(capacityTokens / BLOCK_TOKENS);
  }

  /** Prompt tokens that were looked up, and those among them that were found. */
  get queriedTokens(): number {
    return this.#queriedTokens;
  }

  get hitTokens(): number {
    return this.#hitTokens;
  }

  /** Tokens that are kept, counted in whole blocks. */
  get heldTokens(): number {
    return this.#byUse.size * BLOCK_TOKENS;
  }

  /** Scopes that have anything kept. */
  get scopes(): number {
    return this.#roots.size;
  }

  /** Puts the longest known beginning of the prompt into the prompt row: a multiple of `unit` tokens, at most
   * `limit`. Gives its length. */
  load(scope: string, prompt: Int32Array, limit: number, unit: number): number {
    if (this.#maxBlocks === 0) return 0;
    const match = this.#match(scope, prompt.subarray(0, Math.max(limit, 0)));
    const length = match.length - (match.length % unit);
    const path = match.path.slice(0, Math.ceil(length / BLOCK_TOKENS));
    for (const [at, block] of path.entries()) {
      const from = at * BLOCK_TOKENS;
      this.#row.loadTokens(from, Math.min(BLOCK_TOKENS, length - from), block.memory);
    }
    this.#touch(path);
    this.#queriedTokens += prompt.length;
    this.#hitTokens += length;
    return length;
  }

  /** Keeps the prompt's first `length` tokens, which the prompt row holds; only the first of them when they are more
   * than the whole cache. */
  save(scope: string, prompt: Int32Array, length: number): void {
    if (this.#maxBlocks === 0 || length === 0) return;
    const { root, path, length: known } = this.#match(scope, prompt.subarray(0, length));
    this.#touch(path);
    if (known === length) return;
    let from = known;
    let last = path.at(-1);
    if (last !== undefined && known < path.length * BLOCK_TOKENS) {
      const common = known % BLOCK_TOKENS;
      if (common === last.length) from += this.#fill(last, prompt, known, length);
      else {
        // The block goes on otherwise: the prompt gets one of its own beside it.
        from -= common;
        path.pop();
        last = path.at(-1);
      }
    }
    while (from < length) {
      const memory = this.#takeMemory(path);
      if (memory === null) break;
      const parent = last ?? root;
      last = { parent, children: [], tokens: new Int32Array(BLOCK_TOKENS), length: 0, memory };
      from += this.#fill(last, prompt, from, length);
      parent.children.push(last);
      // Its root may have lost its last block, and its place, to this very prompt.
      if (parent === root) this.#roots.set(scope, root);
      this.#byUse.add(last);
      path.push(last);
    }
    this.#touch(path);
  }

  #match(scope: string, tokens: Int32Array): Match {
    const root: Root = this.#roots.get(scope) ?? { scope, children: [] };
    const path: Block[] = [];
    let length = 0;
    let children: readonly Block[] = root.children;
    while (length === path.length * BLOCK_TOKENS) {
      let best: Block | null = null;
      let most = 0;
      for (const child of children) {
        const common = commonLength(child, tokens, length);
        if (common <= most) continue;
        best = child;
        most = common;
      }
      if (best === null) break;
      path.push(best);
      length += most;
      children = best.children;
    }
    return { root, path, length };
  }

  /** Appends prompt tokens from `from` on to a block, at most to `end` and as many as fit; gives their number. */
  #fill(block: Block, prompt: Int32Array, from: number, end: number): number {
    const count = Math.min(BLOCK_TOKENS - block.length, end - from);
    this.#row.saveTokens(from, count, block.memory, block.length);
    block.tokens.set(prompt.subarray(from, from + count), block.length);
    block.length += count;
    return count;
  }

  /** Memory of one block, from the least recently used one when there is no other; null when that is in `path`. */
  #takeMemory(path: readonly Block[]): TokenBlock | null {
    if (this.#byUse.size < this.#maxBlocks) return this.#row.newBlock(BLOCK_TOKENS);
    const [oldest] = this.#byUse;
    if (oldest === undefined || path.includes(oldest)) return null;
    this.#evict(oldest);
    return oldest.memory;
  }

  #evict(block: Block): void {
    this.#byUse.delete(block);
    const siblings = block.parent.children;
    siblings.splice(siblings.indexOf(block), 1);
    if (siblings.length === 0 && "scope" in block.parent) this.#roots.delete(block.parent.scope);
  }

  /** Makes a path from the root the most recently used, the root's end last. */
  #touch(path: readonly Block[]): void {
    for (let at = path.length - 1; at >= 0; at--) {
      const block = path[at]!;
      this.#byUse.delete(block);
      this.#byUse.add(block);
    }
  }
}

/** How many tokens of a block agree with those of `tokens` from `from` on. */
function commonLength(block: Block, tokens: Int32Array, from: number): number {
  const most = Math.min(block.length, tokens.length - from);
  let length = 0;
  while (length < most && block.tokens[length] === tokens[from + length]) length++;
  return length;
}
