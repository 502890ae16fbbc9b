// A TCP connection of a test: bytes as they are, no HTTP library between.
import { connect, type Socket } from "node:net";
import type { TestContext } from "node:test";

export class RawConnection {
  readonly #socket: Socket;
  readonly #wakers = new Set<() => void>();
  received = "";
  #ended = false;
  #closed = false;

  /** Both sides of the connection may be closed apart: the server's end does not end ours. `from` is our own address. */
  constructor(t: TestContext, port: number, from = "127.0.0.1") {
    this.#socket = connect({ port, host: "127.0.0.1", localAddress: from, allowHalfOpen: true });
    this.#socket.on("data", (chunk) => {
      this.received += chunk.toString("latin1");
      this.#wake();
    });
    this.#socket.on("end", () => {
      this.#ended = true;
      this.#wake();
    });
    // A connection that the server cuts is one way to be refused.
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.#closed = true;
      this.#wake();
    });
    t.after(() => this.#socket.destroy());
  }

  send(bytes: string | Buffer): void {
    this.#socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  get closed(): boolean {
    return this.#closed || this.#ended;
  }

  /** From now on nothing is read. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends our side only. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves when what was received matches; rejects when nothing more can come. */
  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.received)) {
      if (this.#ended || this.#closed)
        throw new Error(`ended before ${pattern}: ${this.received.slice(0, 500)}`);
      await this.#change();
    }
  }

  /** Resolves with all that was received when the server has ended or cut the connection. */
  async over(): Promise<string> {
    while (!this.#ended && !this.#closed) await this.#change();
    return this.received;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wakers.add(resolve));
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
    this.#wakers.clear();
  }
}
