// Reads JSON bodies before they are parsed, and inflates compressed ones (gzip, deflate, br), which may be no larger than
// others before or after.
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { errorCodes, type FastifyInstance, type FastifyRequest } from "fastify";
import { MagdiError } from "../../base/errors.ts";
import { networkOf } from "../access/client-network.ts";
import type { LimitWatch } from "../observation/limit-watch.ts";
import { bodyRefusal, readBody } from "./body-reader.ts";
import type { ByteBudget, HeldBytes } from "./byte-budget.ts";
import type { Shortage } from "./places.ts";

type Inflate = (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

const unzip: Inflate = promisify(gunzip);
const zlibFormat: Inflate = promisify(inflate);
const bareFormat: Inflate = promisify(inflateRaw);
/** Some clients leave out the zlib header, whose low four bits are 8. */
const undeflate: Inflate = (body, options) =>
  ((body[0] ?? 0) & 15) === 8 ? zlibFormat(body, options) : bareFormat(body, options);

const INFLATE: ReadonlyMap<string, Inflate> = new Map([
  ["gzip", unzip],
  ["x-gzip", unzip],
  ["deflate", undeflate],
  ["br", promisify(brotliDecompress) satisfies Inflate],
]);

class EncodingError extends Error {
  readonly statusCode = 415;
}

export interface BodyOptions {
  readonly limitBytes: number;
  readonly budget: ByteBudget;
  readonly limits: LimitWatch;
}

/** Install it after what decides whether the body is wanted at all. */
export function installBodyReading(app: FastifyInstance, options: BodyOptions): void {
  const { limitBytes, budget, limits } = options;
  app.addHook("preParsing", async (request, reply, payload) => {
    const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "";
    const plain = encoding === "" || encoding === "identity" || request.method !== "POST";
    if (plain && !hasJson(request)) return payload;
    const decode = plain ? null : INFLATE.get(encoding);
    if (decode === undefined) {
      reply.header("accept-encoding", "gzip, deflate, br");
      throw new EncodingError("content-encoding: expected gzip, deflate, br or none");
    }
    const length = request.headers["content-length"];
    const announcedBytes = length === undefined ? null : Number(length);
    if (announcedBytes !== null && announcedBytes > limitBytes) {
      throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
    }

    let giveWay: (shortage: Shortage) => void = () => {};
    const gaveWay = new Promise<Shortage>((resolve) => {
      giveWay = resolve;
    });
    const held = budget.open(networkOf(request.ip), () => {
      limits.reached("slow_body");
      giveWay("total");
    });
    // What was read of it lives on in the request until that is answered.
    if (reply.raw.destroyed) held.release();
    else reply.raw.once("close", () => held.release());
    try {
      const packed = await readBody(payload, { limitBytes, announcedBytes, held, gaveWay });
      held.settle();
      const body = decode === null ? packed : await inflated(packed, decode, encoding, limitBytes, held);
      // Fastify compares this with content-length.
      return Object.assign(Readable.from([body], { objectMode: false }), {
        receivedEncodedLength: packed.length,
      });
    } catch (error) {
      held.release();
      if (error instanceof MagdiError) {
        // What is left of a body in tiny chunks is not even read to be thrown away.
        if (error.code === "MAGDI_BAD_REQUEST" && !request.raw.complete) reply.raw.shouldKeepAlive = false;
        if (error.code === "MAGDI_OVERLOADED") limits.reached("bodies");
        if (error.code === "MAGDI_TOO_MANY_REQUESTS") limits.reached("client_bodies");
      }
      throw error;
    }
  });
}

/** Whether Fastify would read the body: others are refused by their type, or ignored. */
function hasJson({ method, headers }: FastifyRequest): boolean {
  if (method === "GET" || method === "HEAD") return false;
  const announced = headers["transfer-encoding"] !== undefined || Number(headers["content-length"]) > 0;
  return announced && /^\s*application\/json\s*(?:;|$)/i.test(headers["content-type"] ?? "");
}

async function inflated(
  packed: Buffer,
  decode: Inflate,
  encoding: string,
  limitBytes: number,
  held: HeldBytes,
): Promise<Buffer> {
  const packedBytes = held.bytes;
  const shortage = held.hold(packedBytes + limitBytes);
  if (shortage !== null) throw bodyRefusal(shortage);
  const body = await decode(packed, { maxOutputLength: limitBytes }).catch((cause: unknown) => {
    if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE") {
      throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
    }
    throw new MagdiError("MAGDI_BAD_REQUEST", `the body is not whole ${encoding} data`, { cause });
  });
  held.hold(body.length);
  return body;
}
