// Inflates compressed request bodies (gzip, deflate, br), which may be no larger than others before or after.
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate, inflateRaw } from "node:zlib";
import { errorCodes, type FastifyInstance } from "fastify";
import { MagdiError } from "../../base/errors.ts";

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

/** Install it after what decides whether the body is wanted at all. */
export function installInflation(app: FastifyInstance, bodyLimitBytes: number): void {
  app.addHook("preParsing", async (request, reply, payload) => {
    const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "";
    if (encoding === "" || encoding === "identity" || request.method !== "POST") return payload;
    const decode = INFLATE.get(encoding);
    if (decode === undefined) {
      reply.header("accept-encoding", "gzip, deflate, br");
      throw new EncodingError("content-encoding: expected gzip, deflate, br or none");
    }
    const packed = await bytesOf(payload, Number(request.headers["content-length"]), bodyLimitBytes);
    const body = await decode(packed, { maxOutputLength: bodyLimitBytes }).catch((cause: unknown) => {
      if (cause instanceof Error && "code" in cause && cause.code === "ERR_BUFFER_TOO_LARGE") {
        throw new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();
      }
      throw new MagdiError("MAGDI_BAD_REQUEST", `the body is not whole ${encoding} data`, { cause });
    });
    // Fastify compares this with content-length.
    return Object.assign(Readable.from([body], { objectMode: false }), {
      receivedEncodedLength: packed.length,
    });
  });
}

/** All of the stream. @throws Fastify's 413 for more than `limit` bytes, reading no further */
function bytesOf(stream: NodeJS.ReadableStream, announced: number, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const tooLarge = () => reject(new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE());
    if (announced > limit) return tooLarge();
    const take = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > limit) {
        stream.off("data", take);
        tooLarge();
      } else chunks.push(chunk);
    };
    stream.on("data", take);
    stream.once("end", () => resolve(Buffer.concat(chunks)));
    stream.once("error", reject);
  });
}
