// The prefix cache: keys and values of prompts, reused by prompts with the same beginning. A radix tree of token blocks
// for each scope, over one bounded pool of blocks.

import type { KvBlock, ModelRunner } from "./model-runner.ts";

/** Tokens of a block: the unit of memory. A match may end within a block. */
export const BLOCK_TOKENS = 16;

export type PromptRow = Pick<ModelRunner, "newBlock" | "saveTokens" | "loadTokens">;

interface Root {
  readonly scope: string;
  readonly children: Block[];
}

/** A node: the tokens that follow its parent's. Only a full block has children. */
interface Block {
  readonly parent: Root | Block;
  readonly children: Block[];
  /** Token ids [BLOCK_TOKENS], of which `length` are valid. */
  readonly tokens: Int32Array;
  length: number;
  /** The tokens' keys and values. */
  readonly memory: KvBlock;
}

/** The longest known beginning of a prompt. */
interface Match {
  readonly root: Root;
  /** From the root on; the last block may match in its first tokens only. */
  readonly path: Block[];
  readonly length: number;
}

/**
 * Calls run between steps and copy at once, so that no block is evicted while it is read. Eviction is least recently used
 * first, children before their parents.
 *
 * @example const cache = new PrefixCache(runner, 2048);
 */
export class PrefixCache {
  readonly #row: PromptRow;
  readonly #maxBlocks: number;
  readonly #roots = new Map<string, Root>();
  /** All blocks, least recently used first, each before its parent. */
  readonly #byUse = new Set<Block>();
  #queriedTokens = 0;
  #hitTokens = 0;

  /** Blocks are allocated as prompts come. A capacity below one block turns the cache off. */
  constructor(row: PromptRow, capacityTokens: number) {
    this.#row = row;
    this.#maxBlocks = Math.floor(capacityTokens / BLOCK_TOKENS);
  }

  /** Prompt tokens looked up since the start. */
  get queriedTokens(): number {
    return this.#queriedTokens;
  }

  /** How many of them were found. */
  get hitTokens(): number {
    return this.#hitTokens;
  }

  /** Tokens in the cache, in whole blocks. */
  get heldTokens(): number {
    return this.#byUse.size * BLOCK_TOKENS;
  }

  /** Most tokens that it holds, in whole blocks. */
  get capacityTokens(): number {
    return this.#maxBlocks * BLOCK_TOKENS;
  }

  /** How many of a prompt's first tokens it holds. Counts as no use. */
  knownTokens(scope: string, prompt: Int32Array): number {
    return this.#match(scope, prompt).length;
  }

  /** Number of scopes with blocks in the cache. */
  get scopes(): number {
    return this.#roots.size;
  }

  /** Copies the longest known beginning of the prompt to the prompt row: a multiple of `alignment` tokens, at most
   * `limit`. Returns its length. */
  load(scope: string, prompt: Int32Array, limit: number, alignment: number): number {
    if (this.#maxBlocks === 0) return 0;
    const match = this.#match(scope, prompt.subarray(0, Math.max(limit, 0)));
    const length = match.length - (match.length % alignment);
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

  /** Saves the prompt's first `length` tokens from the prompt row, or as many of them as the cache can hold. */
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
        // The block continues differently: the prompt gets a sibling block.
        from -= common;
        path.pop();
        last = path.at(-1);
      }
    }
    while (from < length) {
      const memory = this.#allocate(path);
      if (memory === null) break;
      const parent = last ?? root;
      last = { parent, children: [], tokens: new Int32Array(BLOCK_TOKENS), length: 0, memory };
      from += this.#fill(last, prompt, from, length);
      parent.children.push(last);
      // The root may have lost its last block, and been removed, while this prompt allocated.
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

  /** Appends prompt tokens from `from` to at most `end` to a block, as many as fit; returns their number. */
  #fill(block: Block, prompt: Int32Array, from: number, end: number): number {
    const count = Math.min(BLOCK_TOKENS - block.length, end - from);
    this.#row.saveTokens(from, count, block.memory, block.length);
    block.tokens.set(prompt.subarray(from, from + count), block.length);
    block.length += count;
    return count;
  }

  /** Memory for a block: new, or that of the least recently used one; null when that is in `path`. */
  #allocate(path: readonly Block[]): KvBlock | null {
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

  /** Marks a path as the most recently used, its first block most of all. */
  #touch(path: readonly Block[]): void {
    for (let at = path.length - 1; at >= 0; at--) {
      const block = path[at]!;
      this.#byUse.delete(block);
      this.#byUse.add(block);
    }
  }
}

/** How many of a block's tokens equal those of `tokens` from `from` on. */
function commonLength(block: Block, tokens: Int32Array, from: number): number {
  const most = Math.min(block.length, tokens.length - from);
  let length = 0;
  while (length < most && block.tokens[length] === tokens[from + length]) length++;
  return length;
}
