// Answers that clients have not read yet: each connection has a time in which it must read, and all of them together, and
// those of one client, a number of bytes. It knows sockets by what they have left to write.
import type { Clock } from "../../base/clock.ts";
import type { LimitWatch } from "../observation/limit-watch.ts";
import type { Limit } from "../observation/limits.ts";
import type { ByteBounds } from "./byte-budget.ts";

const SWEEP_MS = 500;
/** An answer that was just written is not cut off for the bytes that it has, unless there are twice too many. */
const GRACE_MS = 1000;
/** Whoever reads slower is cut off: Kestrel's minimum too. */
const MIN_BYTES_PER_SECOND = 240;

export interface Writing {
  readonly client: string;
  /** What is written and not yet taken by the system. */
  unreadBytes(): number;
  /** What the system has taken in writes that are done. */
  takenBytes(): number;
  /** What is left of the write that is not done. */
  pendingBytes(): number;
  cutOff(): void;
}

interface Watched {
  unread: number;
  client: string;
  /** At the beginning of the time in which some must be read. */
  mark: { readonly atMs: number; readonly unread: number; readonly taken: number; readonly pending: number };
  /** At the last look. */
  last: { readonly taken: number; readonly pending: number };
  /** When it was last seen to read, or began to be unread. */
  readMs: number;
}

export interface UnreadAnswersOptions {
  readonly clock: Clock;
  readonly limits: LimitWatch;
  readonly timeoutMs: number;
  readonly bounds: ByteBounds;
}

export class UnreadAnswers {
  readonly #options: UnreadAnswersOptions;
  #bounds: ByteBounds;
  readonly #watched = new Map<Writing, Watched>();
  readonly #clientBytes = new Map<string, number>();
  #totalBytes = 0;
  #stopTimer: (() => void) | null = null;

  constructor(options: UnreadAnswersOptions) {
    this.#options = options;
    this.#bounds = options.bounds;
  }

  /** Sets the bounds, once they are known. */
  bound(bounds: ByteBounds): void {
    this.#bounds = bounds;
  }

  /** As it was at the last look. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** From now on, until `forget`, it is looked at twice a second. */
  watch(writing: Writing): void {
    if (this.#watched.has(writing)) return;
    const taken = writing.takenBytes();
    const nowMs = this.#options.clock.nowMs();
    this.#watched.set(writing, {
      unread: 0,
      client: writing.client,
      mark: { atMs: nowMs, unread: 0, taken, pending: 0 },
      last: { taken, pending: 0 },
      readMs: nowMs,
    });
    if (this.#stopTimer === null) this.#schedule();
  }

  forget(writing: Writing): void {
    const watched = this.#watched.get(writing);
    if (watched === undefined) return;
    this.#count(watched, writing.client, 0);
    this.#watched.delete(writing);
    if (this.#watched.size > 0) return;
    this.#stopTimer?.();
    this.#stopTimer = null;
  }

  /** Call it when much was written at once. */
  look(writing: Writing): void {
    const watched = this.#watched.get(writing);
    if (watched === undefined) return;
    this.#lookAt(writing, watched);
    this.#enforce(writing.client);
  }

  #schedule(): void {
    this.#stopTimer = this.#options.clock.setTimer(SWEEP_MS, () => {
      this.#schedule();
      this.#sweep();
    });
  }

  #sweep(): void {
    const { clock, timeoutMs } = this.#options;
    const nowMs = clock.nowMs();
    const clients = new Set<string>();
    for (const [writing, watched] of this.#watched) {
      this.#lookAt(writing, watched);
      if (watched.unread === 0) continue;
      clients.add(writing.client);
      if (nowMs - watched.mark.atMs < timeoutMs) continue;
      if (readEnough(watched, timeoutMs))
        watched.mark = { ...watched.last, atMs: nowMs, unread: watched.unread };
      else this.#cut(writing, "unread_answer");
    }
    for (const client of clients) this.#enforce(client);
  }

  #lookAt(writing: Writing, watched: Watched): void {
    const nowMs = this.#options.clock.nowMs();
    const unread = writing.unreadBytes();
    const last = { taken: writing.takenBytes(), pending: writing.pendingBytes() };
    const reads = last.taken !== watched.last.taken || last.pending < watched.last.pending;
    if (unread === 0 || reads || watched.unread === 0) watched.readMs = nowMs;
    if (unread === 0 || watched.unread === 0) watched.mark = { ...last, atMs: nowMs, unread };
    watched.last = last;
    this.#count(watched, writing.client, unread);
  }

  #count(watched: Watched, client: string, unread: number): void {
    this.#add(watched.client, -watched.unread);
    this.#add(client, unread);
    watched.client = client;
    watched.unread = unread;
  }

  #add(client: string, bytes: number): void {
    this.#totalBytes += bytes;
    const left = (this.#clientBytes.get(client) ?? 0) + bytes;
    if (left > 0) this.#clientBytes.set(client, left);
    else this.#clientBytes.delete(client);
  }

  /** Cuts off whoever has not read for the longest, until the rest fits. */
  #enforce(client: string): void {
    const { totalBytes, perClientBytes } = this.#bounds;
    const ofClient = () => this.#clientBytes.get(client) ?? 0;
    if (this.#totalBytes <= totalBytes && ofClient() <= perClientBytes) return;
    for (const [writing, watched] of this.#watched) this.#lookAt(writing, watched);
    const longest = [...this.#watched].filter(([, { unread }]) => unread > 0);
    longest.sort(([, a], [, b]) => a.readMs - b.readMs || b.unread - a.unread);
    const nowMs = this.#options.clock.nowMs();
    for (const [writing, watched] of longest) {
      if (nowMs - watched.readMs < GRACE_MS && this.#totalBytes <= 2 * totalBytes) return;
      if (this.#totalBytes > totalBytes) this.#cut(writing, "unread_answers");
      else if (ofClient() > perClientBytes && watched.client === client) {
        this.#cut(writing, "client_unread_answers");
      }
    }
  }

  #cut(writing: Writing, limit: Limit): void {
    this.forget(writing);
    this.#options.limits.reached(limit);
    writing.cutOff();
  }
}

/** Whether all that was unread at the mark has been read since, or as much as the slowest reader must. */
function readEnough({ mark, last }: Watched, timeoutMs: number): boolean {
  const taken = last.taken - mark.taken;
  // Within one long write only what is left of it tells.
  const read = taken > 0 ? taken : mark.pending - last.pending;
  return read >= Math.min(mark.unread, (MIN_BYTES_PER_SECOND * timeoutMs) / 1000);
}
