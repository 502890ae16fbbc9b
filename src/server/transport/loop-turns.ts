// Lets the work of requests begin one a turn of the event loop, clients in turn: thousands that arrive at once would
// otherwise all run before anything else is read or answered. It knows no requests.

interface Waiter {
  isGone(): boolean;
  go(isThere: boolean): void;
}

export class LoopTurns {
  /** By client; the one that was served last is the last. */
  readonly #lines = new Map<string, Waiter[]>();

  /** Resolves when it is the client's turn: true, or false for one that `isGone` then. */
  take(client: string, isGone: () => boolean): Promise<boolean> {
    return new Promise((resolve) => {
      if (this.#lines.size === 0) setImmediate(() => this.#next());
      const line = this.#lines.get(client);
      if (line === undefined) this.#lines.set(client, [{ isGone, go: resolve }]);
      else line.push({ isGone, go: resolve });
    });
  }

  #next(): void {
    for (const [client, line] of this.#lines) {
      this.#lines.delete(client);
      let first = line.shift();
      for (; first?.isGone(); first = line.shift()) first.go(false);
      if (line.length > 0) this.#lines.set(client, line);
      if (first === undefined) continue;
      first.go(true);
      break;
    }
    if (this.#lines.size > 0) setImmediate(() => this.#next());
  }
}
