// Reads a request's body whole into one buffer, out of the budget that all bodies share: pieces are copied as they
// come, so that a body of many small ones takes no more than one of a few.
import { errorCodes } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import type { HeldBytes } from "./byte-budget.ts";
import type { Shortage } from "./places.ts";

const FIRST_BYTES = 4096;
/** Chunks of a byte each would keep the event loop busy a hundred times as long as the body deserves. */
const FREE_PIECES = 1024;
const MIN_PIECE_BYTES = 64;

const TOO_SMALL_PIECES = `the body comes in too many chunks of a few bytes: expected at least ${MIN_PIECE_BYTES} on average`;

/** What a refused body is answered with. */
export function bodyRefusal(shortage: Shortage): MagdiError {
  return shortage === "client"
    ? new MagdiError(
        "MAGDI_TOO_MANY_REQUESTS",
        "the bodies of your requests under way take as many bytes as the server holds for one client; wait for one to end",
      )
    : new MagdiError(
        "MAGDI_OVERLOADED",
        "the server holds as many bytes of request bodies as it may; retry in a moment",
      );
}

export interface ReadBodyOptions {
  readonly limitBytes: number;
  /** Content-length; null for a chunked body. */
  readonly announcedBytes: number | null;
  readonly held: HeldBytes;
  /** Resolves, with what is short, when the bytes have been taken back. */
  readonly gaveWay: Promise<Shortage>;
}

/**
 * All of the stream.
 *
 * @throws Fastify's 413 for more than `limitBytes`, reading no further
 * @throws MagdiError MAGDI_BAD_REQUEST for a body in too many small pieces
 * @throws MagdiError MAGDI_OVERLOADED or MAGDI_TOO_MANY_REQUESTS when the budget does not hold it
 */
export function readBody(stream: NodeJS.ReadableStream, options: ReadBodyOptions): Promise<Buffer> {
  const { limitBytes, announcedBytes, held, gaveWay } = options;
  const mostBytes = Math.min(limitBytes, announcedBytes ?? limitBytes);
  return new Promise((resolve, reject) => {
    let buffer: Buffer = Buffer.alloc(0);
    let length = 0;
    let pieces = 0;
    const stop = (error: Error): void => {
      stream.off("data", take);
      buffer = Buffer.alloc(0);
      reject(error);
    };
    const take = (chunk: Buffer): void => {
      const end = length + chunk.length;
      if (end > limitBytes) {
        stop(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
        return;
      }
      pieces++;
      if (pieces > FREE_PIECES && end < (pieces - FREE_PIECES) * MIN_PIECE_BYTES) {
        stop(new MagdiError("MAGDI_BAD_REQUEST", TOO_SMALL_PIECES));
        return;
      }
      if (end > buffer.length) {
        const capacity = Math.max(end, Math.min(mostBytes, Math.max(FIRST_BYTES, 4 * buffer.length)));
        const shortage = held.hold(capacity);
        if (shortage !== null) {
          stop(bodyRefusal(shortage));
          return;
        }
        if (end === mostBytes && length === 0) {
          // The whole body in one piece, as most come.
          buffer = chunk;
          length = end;
          return;
        }
        const larger = Buffer.allocUnsafeSlow(capacity);
        buffer.copy(larger, 0, 0, length);
        buffer = larger;
      }
      chunk.copy(buffer, length);
      length = end;
    };
    gaveWay.then((shortage) => stop(bodyRefusal(shortage)));
    stream.on("data", take);
    stream.once("end", () => resolve(buffer.subarray(0, length)));
    // The client's fault, as Fastify has it for bodies that it reads itself.
    stream.once("error", (error) => stop(Object.assign(error, { statusCode: 400 })));
  });
}
