// Files of a folder as answers to GET: read once, each with its type and an entity tag. It knows no page.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FastifyReply, FastifyRequest } from "fastify";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

export interface StaticFile {
  readonly name: string;
  readonly type: string;
  readonly bytes: Buffer;
  readonly etag: string;
}

/** The folder's files of the types above, by name; a folder that is not there is an error of Node's. */
export function readStaticFiles(folder: URL): ReadonlyMap<string, StaticFile> {
  const path = fileURLToPath(folder);
  return new Map(
    readdirSync(path).flatMap((name): [string, StaticFile][] => {
      const type = TYPES[extname(name)];
      if (type === undefined) return [];
      const bytes = readFileSync(join(path, name));
      const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
      return [[name, { name, type, bytes, etag }]];
    }),
  );
}

/** Answers with the file, or with 304 where the client has it. Its name may get other bytes with a new version. */
export function sendStaticFile(request: FastifyRequest, reply: FastifyReply, file: StaticFile): FastifyReply {
  reply.headers({ etag: file.etag, "cache-control": "no-cache" });
  if (hasTag(request.headers["if-none-match"], file.etag)) return reply.code(304).send();
  return reply.header("content-type", file.type).send(file.bytes);
}

/** Whether an If-None-Match header names the tag, weakly compared as RFC 9110 wants it. */
function hasTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((part) => ["*", etag].includes(part.trim().replace(/^W\//, "")));
}
