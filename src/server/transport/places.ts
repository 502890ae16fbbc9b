// A limited number of places, in total and for each client. When none is left, whoever has been idle the longest gives
// its place up. It knows no sockets.
import type { Clock } from "../../base/clock.ts";

/** What there was too little of: places for everybody, or for this client. */
export type Shortage = "total" | "client";

export interface PlacesOptions<T> {
  readonly clock: Clock;
  readonly total: number;
  readonly perClient: number;
  /** Who has been idle for less keeps its place. */
  readonly minIdleMs: number;
  /** Called with a holder that has just lost its place. */
  onGiveUp(holder: T): void;
}

/** The holders of one client, or of all. */
class Group<T> {
  readonly idleSinceMs = new Map<T, number>(); // the longest idle first
  held = 0;
}

export class Places<T extends object> {
  readonly #options: PlacesOptions<T>;
  readonly #clientOf = new Map<T, string | null>();
  readonly #all = new Group<T>();
  readonly #groups = new Map<string, Group<T>>();

  constructor(options: PlacesOptions<T>) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.held;
  }

  /** Gives `holder` a place, idle for now, or says what is short. A null client is bounded by the total alone. */
  take(holder: T, client: string | null): Shortage | null {
    const { total, perClient } = this.#options;
    const group = client === null ? undefined : this.#groups.get(client);
    const full = group !== undefined && perClient < total && group.held >= perClient;
    if (full && !this.#freeOne(group)) return "client";
    if (this.#all.held >= total && !this.#freeOne(this.#all)) return "total";
    this.#clientOf.set(holder, client);
    for (const one of this.#groupsOf(client)) one.held++;
    this.idle(holder);
    return null;
  }

  /** From now on the holder waits for its client. */
  idle(holder: T): void {
    const client = this.#clientOf.get(holder);
    if (client === undefined) return;
    const nowMs = this.#options.clock.nowMs();
    for (const { idleSinceMs } of this.#groupsOf(client)) {
      idleSinceMs.delete(holder);
      idleSinceMs.set(holder, nowMs);
    }
  }

  /** From now on the holder keeps its place until it is idle again. */
  busy(holder: T): void {
    const client = this.#clientOf.get(holder);
    if (client === undefined) return;
    for (const { idleSinceMs } of this.#groupsOf(client)) idleSinceMs.delete(holder);
  }

  /** Gives the place back; does nothing if the holder has none. */
  leave(holder: T): void {
    const client = this.#clientOf.get(holder);
    if (client === undefined) return;
    this.#clientOf.delete(holder);
    for (const group of this.#groupsOf(client)) {
      group.held--;
      group.idleSinceMs.delete(holder);
    }
    if (client !== null && this.#groups.get(client)?.held === 0) this.#groups.delete(client);
  }

  #groupsOf(client: string | null): Group<T>[] {
    if (client === null) return [this.#all];
    const group = this.#groups.get(client) ?? new Group<T>();
    this.#groups.set(client, group);
    return [this.#all, group];
  }

  #freeOne({ idleSinceMs }: Group<T>): boolean {
    const [longest] = idleSinceMs;
    if (longest === undefined) return false;
    const [holder, sinceMs] = longest;
    if (this.#options.clock.nowMs() - sinceMs < this.#options.minIdleMs) return false;
    this.leave(holder);
    this.#options.onGiveUp(holder);
    return true;
  }
}
