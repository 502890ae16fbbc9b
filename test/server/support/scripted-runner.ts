// A model whose words a test writes: the real engine runs it, only its numbers come from a script in the prompt.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { ModelRunner, StepOutput } from "../../../src/engine/model-runner.ts";

/** Bytes are tokens 0 to 255. */
export const END_OF_TEXT = 256;
export const IM_START = 257;
export const IM_END = 258;
const VOCAB_SIZE = 259;
const CANDIDATES = 16;
const UNLIKELY = -20;

interface Row {
  tokens: number[];
  promptLength: number;
}

/**
 * The last `{{script}}` of a prompt says what is generated: its characters one byte a token, `[abc]` one of these
 * with equal chances, `[!]` numbers that are none, then the end. A script that ends with `*` goes on with letters for ever. A prompt without a
 * script gets letters that depend on all its tokens, and ends now and then.
 */
export class ScriptedRunner implements ModelRunner {
  readonly maxRows: number;
  readonly promptRow: number;
  readonly contextLength: number;
  readonly vocabSize = VOCAB_SIZE;
  readonly candidateCount = CANDIDATES;
  readonly prefillChunkTokens = 64;
  readonly chunkAlignmentTokens = 2;
  readonly checksDrafts = false;
  /** Steps run so far, and rows of the last decode step. */
  prefillSteps = 0;
  decodeSteps = 0;
  lastRows = 0;
  closed = false;
  /** The next decode step fails with this. */
  failWith: Error | null = null;
  #gate: { readonly opened: Promise<void>; readonly open: () => void } | null = null;
  #arrivals: (() => void)[] = [];
  readonly #rows: Row[];

  constructor(options: { maxRows?: number; contextLength?: number } = {}) {
    this.maxRows = options.maxRows ?? 8;
    this.promptRow = this.maxRows;
    this.contextLength = options.contextLength ?? 512;
    this.#rows = Array.from({ length: this.maxRows + 1 }, () => ({ tokens: [], promptLength: 0 }));
  }

  /** From now on steps wait until the returned function is called. */
  hold(): () => void {
    let release = () => {};
    const opened = new Promise<void>((resolve) => {
      release = resolve;
    });
    const gate = { opened, open: () => release() };
    this.#gate = gate;
    return () => {
      if (this.#gate === gate) this.#gate = null;
      gate.open();
    };
  }

  /** Resolves when a step has begun to wait at a held gate. */
  stepHeld(): Promise<void> {
    return new Promise((resolve) => this.#arrivals.push(resolve));
  }

  async prefill(tokens: Int32Array, past: number): Promise<StepOutput> {
    await this.#enter();
    this.prefillSteps++;
    const row = this.#rows[this.promptRow]!;
    row.tokens = [...row.tokens.slice(0, past), ...tokens];
    row.promptLength = row.tokens.length;
    return this.#output([row]);
  }

  async decode(rowCount: number, tokens: Int32Array, pastLengths: Int32Array): Promise<StepOutput> {
    await this.#enter();
    if (this.failWith !== null) throw this.failWith;
    this.decodeSteps++;
    this.lastRows = rowCount;
    const rows = this.#rows.slice(0, rowCount);
    for (const [index, row] of rows.entries()) {
      row.tokens = [...row.tokens.slice(0, pastLengths[index]!), tokens[index]!];
    }
    return this.#output(rows);
  }

  copyRow(from: number, to: number, length: number): void {
    const source = this.#rows[from]!;
    this.#rows[to] = { tokens: source.tokens.slice(0, length), promptLength: source.promptLength };
  }

  moveRow(from: number, to: number, length: number): void {
    this.copyRow(from, to, length);
  }

  releaseRow(): void {}

  newBlock(tokens: number): Float32Array {
    return new Float32Array(tokens);
  }

  saveTokens(from: number, count: number, block: Float32Array, at: number): void {
    block.set(this.#rows[this.promptRow]!.tokens.slice(from, from + count), at);
  }

  loadTokens(from: number, count: number, block: Float32Array): void {
    const row = this.#rows[this.promptRow]!;
    row.tokens = [...row.tokens.slice(0, from), ...block.subarray(0, count)];
  }

  close(): void {
    this.closed = true;
  }

  async #enter(): Promise<void> {
    const gate = this.#gate;
    if (gate === null) return nextTurn();
    for (const arrive of this.#arrivals.splice(0)) arrive();
    await gate.opened;
  }

  #output(rows: readonly Row[]): StepOutput {
    const logits = new Float32Array(rows.length * VOCAB_SIZE).fill(UNLIKELY);
    const candidateLogits = new Float32Array(rows.length * CANDIDATES);
    const candidateIds = new BigInt64Array(rows.length * CANDIDATES);
    const logSumExp = new Float32Array(rows.length);
    for (const [index, row] of rows.entries()) {
      const values = logits.subarray(index * VOCAB_SIZE, (index + 1) * VOCAB_SIZE);
      const next = nextTokens(row);
      for (const id of next ?? []) values[id] = 0;
      const order = Array.from(values.keys()).sort((a, b) => values[b]! - values[a]! || a - b);
      for (let k = 0; k < CANDIDATES; k++) {
        candidateIds[index * CANDIDATES + k] = BigInt(order[k]!);
        candidateLogits[index * CANDIDATES + k] = values[order[k]!]!;
      }
      const sum = values.reduce((total, value) => total + Math.exp(value), 0);
      logSumExp[index] = next === null ? Number.NaN : Math.log(sum);
    }
    return { candidateLogits, candidateIds, logSumExp, logits };
  }
}

function nextTokens(row: Row): number[] | null {
  const prompt = Buffer.from(row.tokens.slice(0, row.promptLength).filter((id) => id < 256)).toString("utf8");
  const script = [...prompt.matchAll(/\{\{(.*?)\}\}/gs)].at(-1)?.[1];
  const position = row.tokens.length - row.promptLength;
  if (script === undefined) {
    const hash = row.tokens.reduce((sum, token) => (Math.imul(sum, 31) + token + 1) >>> 0, 7);
    return hash % 17 === 0 ? [IM_END] : [97 + (hash % 26), 97 + ((hash >>> 8) % 26), 32];
  }
  const endless = script.endsWith("*");
  const steps = (endless ? script.slice(0, -1) : script).match(/\[[^\]]*\]|[^[]/gsu) ?? [];
  const choices = steps.flatMap((step): (number[] | null)[] => {
    if (step === "[!]") return [null];
    return step.startsWith("[") && step.length > 2
      ? [[...Buffer.from(step.slice(1, -1))]]
      : [...Buffer.from(step)].map((byte) => [byte]);
  });
  const choice = choices[position];
  return choice !== undefined ? choice : endless ? [97 + (position % 26)] : [IM_END];
}
