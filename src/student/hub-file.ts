// Downloads one file of a hub: to a temporary file beside its place, resumed where it broke off, checked against the
// hub's size and hash, then renamed.

import { createHash, type Hash } from "node:crypto";
import { constants, createReadStream, mkdirSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { MagdiError } from "../base/errors.ts";
import { takePlace } from "../base/files/whole-file.ts";
import { NotWritten } from "../base/files/write-errors.ts";
import { byteCount, type HubClient, type RemoteFile, TransientFailure, unquotedEtag } from "./hub-client.ts";

/** Bytes of the file so far, and its size if the hub states it. */
export type BytesReport = (doneBytes: number, totalBytes: number | null) => void;

/** A file's size; null when there is none. */
export function fileSizeBytes(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.size ?? null;
}

/** Runs file work; a full or closed disk becomes an error that says so.
 * @throws MAGDI_FILE_MISSING for what the disk refuses; other errors as they are. */
export async function onDisk<T>(folder: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const cause = error instanceof NotWritten ? error.cause : error;
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
    const full = code === "ENOSPC" || code === "EDQUOT";
    if (!full && !["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "EFBIG"].includes(code)) throw error;
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      full
        ? `${folder}: the disk is full (${code}); free space or set MAGDI_CACHE to another disk, then run again: what arrived is kept`
        : `${folder}: cannot write the download there (${code}); set MAGDI_CACHE to a folder that can be written`,
      { cause },
    );
  }
}

/** Puts one file in its place, whole or not at all; what an interruption leaves is resumed by the next call.
 * @throws MAGDI_BAD_FILE when what arrives is not what the hub stated; as HubClient.open. */
export async function downloadFile(
  client: HubClient,
  repository: string,
  remote: RemoteFile,
  file: string,
  maxBytes: number,
  onBytes: BytesReport,
): Promise<void> {
  if (remote.sizeBytes !== null && remote.sizeBytes > maxBytes) throw tooLarge(remote, maxBytes);
  const folder = path.dirname(file);
  // The name contains the ETag, so that a download of another version is never resumed.
  const version = createHash("sha256")
    .update(remote.etag ?? "")
    .digest("hex")
    .slice(0, 16);
  const partial = `${file}.${version}.partial`;
  await onDisk(folder, () => mkdirSync(folder, { recursive: true }));
  if (remote.etag === null) rmSync(partial, { force: true });
  assertRoom(folder, (remote.sizeBytes ?? 0) - (fileSizeBytes(partial) ?? 0));
  const receiving = (): Promise<void> => receive(client, repository, remote, partial, maxBytes, onBytes);
  await client.retrying(receiving, () => fileSizeBytes(partial) ?? 0);
  try {
    await assertWhole(remote, partial, file);
    await onDisk(folder, () => takePlace(partial, file));
  } catch (error) {
    const gone = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!gone) {
      if (error instanceof MagdiError && error.code === "MAGDI_BAD_FILE") rmSync(partial, { force: true });
      throw error;
    }
    // Another process that downloads the same version has renamed it first.
    return assertWhole(remote, file, file);
  }
  const begun = readdirSync(folder).filter(
    (name) =>
      name.startsWith(path.basename(file)) &&
      /^\.[0-9a-f]{16}\.partial$/.test(name.slice(path.basename(file).length)),
  );
  for (const name of begun) rmSync(path.join(folder, name), { force: true });
}

function tooLarge({ url }: RemoteFile, maxBytes: number): MagdiError {
  return new MagdiError(
    "MAGDI_BAD_FILE",
    `${url}: expected at most ${maxBytes} bytes, found more; it is not read`,
  );
}

/** Before the disk is filled. @throws MAGDI_FILE_MISSING */
function assertRoom(folder: string, sizeBytes: number): void {
  const { bavail, bsize } = statfsSync(folder);
  if (sizeBytes <= bavail * bsize) return;
  throw new MagdiError(
    "MAGDI_FILE_MISSING",
    `${folder}: the disk has ${bavail * bsize} bytes left, and the download needs ${sizeBytes}; free space or set MAGDI_CACHE to another disk`,
  );
}

/** One attempt: requests the missing bytes and writes them. */
async function receive(
  client: HubClient,
  repository: string,
  remote: RemoteFile,
  partial: string,
  maxBytes: number,
  onBytes: BytesReport,
): Promise<void> {
  const total = remote.sizeBytes;
  const folder = path.dirname(partial);
  let offset = fileSizeBytes(partial) ?? 0;
  if (total !== null && offset > total) {
    rmSync(partial, { force: true });
    offset = 0;
  }
  if (offset === total && fileSizeBytes(partial) !== null) return;
  const response = await client.open(remote, repository, offset);
  const { headers } = response;
  const start = response.status === 206 ? offset : 0;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "");
  const wrongRange =
    response.status === 206 &&
    (Number(range?.[1] ?? -1) !== offset || (total !== null && byteCount(range?.[2] ?? null) !== total));
  const otherVersion =
    !remote.linked &&
    remote.etag !== null &&
    (unquotedEtag(headers.get("etag")) ?? remote.etag) !== remote.etag;
  if (wrongRange || otherVersion) {
    await response.body?.cancel();
    rmSync(partial, { force: true });
    throw new TransientFailure(
      "MAGDI_BAD_FILE",
      `${remote.url}: changes while it is being read; try again later`,
    );
  }
  // Written at positions, not appended, so that two processes which download the same version write the same bytes.
  const handle = await onDisk(folder, () => open(partial, constants.O_RDWR | constants.O_CREAT, 0o644));
  let position = start;
  try {
    if ((await handle.stat()).size < start) {
      await response.body?.cancel();
      rmSync(partial, { force: true });
      throw new TransientFailure(
        "MAGDI_BAD_FILE",
        `${partial}: vanished while it was being written; run again`,
      );
    }
    for await (const chunk of client.bodyOf(response, remote.url)) {
      if (total !== null && position + chunk.length > total) {
        rmSync(partial, { force: true });
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${remote.url}: expected ${total} bytes, found more; try again later`,
        );
      }
      if (position + chunk.length > maxBytes) {
        rmSync(partial, { force: true });
        throw tooLarge(remote, maxBytes);
      }
      const at = position;
      await onDisk(folder, () => writeAll(handle, chunk, at));
      position += chunk.length;
      onBytes(position, total);
    }
    await onDisk(folder, () => handle.datasync());
  } finally {
    await handle.close();
  }
  if (total !== null && position < total) {
    throw new TransientFailure(
      "MAGDI_BAD_FILE",
      `${remote.url}: expected ${total} bytes, the answer ends after ${position} again and again; what arrived is kept, run the command again`,
    );
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Checks size and hash. The hub's ETag is a large file's SHA-256 or a small one's git blob id; a mirror may give the
 * plain SHA-1. Any other ETag is not a hash. */
async function assertWhole(remote: RemoteFile, written: string, file: string): Promise<void> {
  const size = statSync(written).size;
  if (remote.sizeBytes !== null && size !== remote.sizeBytes) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${file}: expected ${remote.sizeBytes} bytes, found ${size}; run again`,
    );
  }
  const expected = remote.etag ?? "";
  const candidates: Hash[] = [];
  if (remote.linked && /^[0-9a-f]{64}$/.test(expected)) candidates.push(createHash("sha256"));
  if (/^[0-9a-f]{40}$/.test(expected)) {
    candidates.push(createHash("sha1").update(`blob ${size}\0`), createHash("sha1"));
  }
  if (candidates.length === 0) return;
  await pipeline(createReadStream(written), async (chunks: AsyncIterable<Buffer>) => {
    for await (const chunk of chunks) for (const hash of candidates) hash.update(chunk);
  });
  const found = candidates.map((hash) => hash.digest("hex"));
  if (found.includes(expected)) return;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${file}: expected the hash ${expected} that the hub states, found ${found[0]}; the download was discarded, run again`,
  );
}
