// Bounds what arrives on one WebSocket: the time, parts and padding of a message, the memory that unfinished ones take,
// pings and pongs. It knows bytes and the clock, not the connection.
import type { Clock } from "../../base/clock.ts";
import type { LimitWatch } from "../observation/limit-watch.ts";
import type { Limit } from "../observation/limits.ts";
import type { ByteBudget, HeldBytes } from "./byte-budget.ts";
import { FrameReader } from "./frame-reader.ts";

const MAX_FRAGMENTS = 1024;
/** Headers of that many frames, and some pings and pongs between them. Node's buffers are held until the message ends. */
const MAX_OVERHEAD_BYTES = 65_536;
/** What a piece of data takes beside its bytes. */
const PIECE_BYTES = 256;
const MAX_CONTROL_FRAMES = 200;
const CONTROL_PERIOD_MS = 10_000;

export interface MessageLimitsOptions {
  readonly clock: Clock;
  readonly budget: ByteBudget;
  readonly client: string;
  readonly limits: LimitWatch;
  /** From a message's first byte to its last. */
  readonly messageTimeoutMs: number;
  /** Time to the end of the first message; null for any. */
  readonly firstMessageTimeoutMs: number | null;
  /** Called once, when a limit was reached. `busy` says that the server lacks room, not that the client is to blame. */
  onReached(reason: string, busy: boolean): void;
}

export class MessageLimits {
  readonly #options: MessageLimitsOptions;
  readonly #frames = new FrameReader();
  #held: HeldBytes | null = null;
  /** Which unfinished message the timer and the held bytes belong to. */
  #boundary = -1;
  #stopTimer = () => {};
  #stopFirstTimer = () => {};
  #controlPeriod = { endMs: 0, framesBefore: 0 };
  #refused = false;

  constructor(options: MessageLimitsOptions) {
    this.#options = options;
    const { firstMessageTimeoutMs: timeoutMs, clock } = options;
    if (timeoutMs !== null) {
      this.#stopFirstTimer = clock.setTimer(timeoutMs, () =>
        this.#reached("silent_websocket", `no message came within ${timeoutMs} ms`),
      );
    }
  }

  /** Whether a limit was reached: nothing of the connection is bounded any more. */
  get refused(): boolean {
    return this.#refused;
  }

  /** Looks at data before it is read. */
  arrived(chunk: Uint8Array): void {
    if (this.#refused) return;
    const frames = this.#frames;
    const nowMs = this.#options.clock.nowMs();
    if (nowMs >= this.#controlPeriod.endMs) {
      this.#controlPeriod = { endMs: nowMs + CONTROL_PERIOD_MS, framesBefore: frames.controlFrames };
    }
    frames.read(chunk);
    if (frames.controlFrames - this.#controlPeriod.framesBefore > MAX_CONTROL_FRAMES) {
      const seconds = CONTROL_PERIOD_MS / 1000;
      this.#reached("control_frames", `more than ${MAX_CONTROL_FRAMES} pings and pongs in ${seconds} s`);
    } else if (frames.fragments > MAX_FRAGMENTS) {
      this.#reached("message_parts", `a message has more than ${MAX_FRAGMENTS} fragments`);
    } else if (frames.overheadBytes > MAX_OVERHEAD_BYTES) {
      this.#reached("message_parts", `a message has ${MAX_OVERHEAD_BYTES} bytes of other frames within`);
    } else this.#follow(chunk.length + PIECE_BYTES);
  }

  /** A message has come whole. */
  messageEnded(): void {
    this.#stopFirstTimer();
  }

  /** Stops the timers and holds nothing more. */
  end(): void {
    this.#stopFirstTimer();
    this.#letGo();
  }

  #follow(bytes: number): void {
    const { unfinished, boundaries } = this.#frames;
    if (!unfinished || boundaries !== this.#boundary) this.#letGo();
    if (!unfinished) return;
    const { clock, budget, client, messageTimeoutMs } = this.#options;
    if (this.#held === null) {
      this.#boundary = boundaries;
      this.#held = budget.open(client, () =>
        this.#reached("slow_body", "the room was needed for other messages", true),
      );
      this.#stopTimer = clock.setTimer(messageTimeoutMs, () =>
        this.#reached("slow_message", `a message did not arrive within ${messageTimeoutMs} ms`),
      );
    }
    const shortage = this.#held.hold(this.#held.bytes + bytes);
    if (shortage === null) return;
    const limit = shortage === "client" ? "client_bodies" : "bodies";
    this.#reached(limit, "too many bytes of unfinished messages are held", true);
  }

  #letGo(): void {
    this.#stopTimer();
    this.#held?.release();
    this.#held = null;
  }

  #reached(limit: Limit, reason: string, busy = false): void {
    if (this.#refused) return;
    this.#refused = true;
    this.end();
    this.#options.limits.reached(limit);
    this.#options.onReached(reason, busy);
  }
}
