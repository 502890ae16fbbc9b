// Serves a folder's files from memory, with content type and ETag.
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

/** Reads the folder's files of the types above, by name. @throws Node's error if there is no such folder */
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

/** Sends the file, or 304 if the client has it. Clients must revalidate, because a new version may change the file. */
export function sendStaticFile(request: FastifyRequest, reply: FastifyReply, file: StaticFile): FastifyReply {
  reply.headers({ etag: file.etag, "cache-control": "no-cache" });
  if (hasTag(request.headers["if-none-match"], file.etag)) return reply.code(304).send();
  return reply.header("content-type", file.type).send(file.bytes);
}

/** Whether an If-None-Match header matches the tag, by RFC 9110's weak comparison. */
function hasTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(",").some((part) => ["*", etag].includes(part.trim().replace(/^W\//, "")));
}
