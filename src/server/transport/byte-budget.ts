// A limited number of bytes, in total and for each client. When the total is used up, whoever has been sending the
// longest gives way. It knows no sockets.
import type { Clock } from "../../base/clock.ts";
import type { Shortage } from "./places.ts";

export interface ByteBounds {
  readonly totalBytes: number;
  readonly perClientBytes: number;
}

export interface ByteBudgetOptions extends ByteBounds {
  readonly clock: Clock;
}

/** Who has been sending for less does not give way: a megabyte over 2 Mbit/s takes no longer. */
const MIN_SENDING_MS = 5000;

export class ByteBudget {
  readonly #clock: Clock;
  #bounds: ByteBounds;
  readonly #clientBytes = new Map<string, number>();
  /** Those that still send, the longest first. */
  readonly #sending = new Set<HeldBytes>();
  #heldBytes = 0;

  constructor({ clock, ...bounds }: ByteBudgetOptions) {
    this.#clock = clock;
    this.#bounds = bounds;
  }

  /** Sets the bounds, once they are known. What is held already stays. */
  bound(bounds: ByteBounds): void {
    this.#bounds = bounds;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Nothing is held yet. `giveWay` is called at most once, when the bytes have been taken back. */
  open(client: string, giveWay: () => void): HeldBytes {
    const held: HeldBytes = new HeldBytes({
      sinceMs: this.#clock.nowMs(),
      giveWay,
      change: (bytes) => this.#change(held, client, bytes),
      settle: () => this.#sending.delete(held),
    });
    this.#sending.add(held);
    return held;
  }

  #change(held: HeldBytes, client: string, bytes: number): Shortage | null {
    const more = bytes - held.bytes;
    const ofClient = this.#clientBytes.get(client) ?? 0;
    if (more > 0) {
      if (ofClient + more > this.#bounds.perClientBytes) return "client";
      if (!this.#makeRoom(more, held)) return "total";
    }
    // Whoever gave way may have been the same client's.
    const left = (this.#clientBytes.get(client) ?? 0) + more;
    if (left > 0) this.#clientBytes.set(client, left);
    else this.#clientBytes.delete(client);
    this.#heldBytes += more;
    return null;
  }

  #makeRoom(bytes: number, asking: HeldBytes): boolean {
    const { totalBytes } = this.#bounds;
    for (const held of this.#sending) {
      if (this.#heldBytes + bytes <= totalBytes) break;
      if (this.#clock.nowMs() - held.sinceMs < MIN_SENDING_MS) break;
      if (held !== asking) held.giveWay();
    }
    return this.#heldBytes + bytes <= totalBytes;
  }
}

interface Holding {
  readonly sinceMs: number;
  giveWay(): void;
  change(bytes: number): Shortage | null;
  settle(): void;
}

/** One sender's bytes. */
export class HeldBytes {
  readonly #holding: Holding;
  #bytes = 0;
  #released = false;

  constructor(holding: Holding) {
    this.#holding = holding;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get sinceMs(): number {
    return this.#holding.sinceMs;
  }

  /** Holds `bytes` in place of what was held, or says what is short and changes nothing. */
  hold(bytes: number): Shortage | null {
    if (this.#released) return null;
    const shortage = this.#holding.change(bytes);
    if (shortage === null) this.#bytes = bytes;
    return shortage;
  }

  /** All has been sent: it no longer gives way. */
  settle(): void {
    this.#holding.settle();
  }

  release(): void {
    this.hold(0);
    this.settle();
    this.#released = true;
  }

  giveWay(): void {
    this.release();
    this.#holding.giveWay();
  }
}
