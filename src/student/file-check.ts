// Compares the files of a student folder with the hashes that its manifest states: some before they are used, the rest
// slowly in the background. What follows from a difference is for the caller to decide.

import { createHash } from "node:crypto";
import { close, read } from "node:fs";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { MagdiError } from "../base/errors.ts";
import { type FileLimits, openRegularFile, readRegularFile } from "../base/files/regular-file.ts";
import { decodeModel } from "../onnx/decode.ts";
import { MANIFEST_FILE, type Manifest } from "./manifest.ts";

/** As much as is hashed in less than half a second. */
const AT_ONCE_BYTES = 2 ** 28;
const CHUNK_BYTES = 2 ** 20;
/** Without its weights, a graph takes about a kilobyte a tensor. */
export const MOST_GRAPH_BYTES = 2 ** 28;
/** Pauses as a multiple of the work: the background takes a tenth of one processor. */
const PAUSES = 9;

const readAt = promisify(read);
const closing = promisify(close);

interface HashOptions extends FileLimits {
  readonly signal?: AbortSignal;
  /** Pauses after each chunk, so that others are not kept waiting. */
  readonly slowly?: boolean;
}

/** Size and SHA-256 of a file. @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
export async function fingerprint(
  file: string,
  { signal, slowly = false, ...limits }: HashOptions = {},
): Promise<{ bytes: number; sha256: string }> {
  const { descriptor, sizeBytes } = openRegularFile(file, limits);
  try {
    const hash = createHash("sha256");
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, sizeBytes));
    let done = 0;
    while (done < sizeBytes) {
      signal?.throwIfAborted();
      const { bytesRead } = await readAt(
        descriptor,
        chunk,
        0,
        Math.min(chunk.length, sizeBytes - done),
        done,
      );
      if (bytesRead === 0) {
        throw new MagdiError(
          "MAGDI_BAD_FILE",
          `${file}: expected ${sizeBytes} bytes, found an end after ${done}: it changes meanwhile`,
        );
      }
      const startMs = performance.now();
      hash.update(chunk.subarray(0, bytesRead));
      done += bytesRead;
      if (slowly)
        await pause(
          PAUSES * (performance.now() - startMs),
          undefined,
          signal === undefined ? {} : { signal },
        );
    }
    return { bytes: sizeBytes, sha256: hash.digest("hex") };
  } finally {
    await closing(descriptor);
  }
}

/** @example const check = new FileCheck(folder, names); await check.beforeUse(); await check.rest(signal) */
export class FileCheck {
  readonly #folder: string;
  readonly #files: Manifest["files"];
  readonly #pending: Set<string>;
  readonly #checked: string[] = [];

  /** Of the files `names` that the manifest has; default: all. */
  constructor(folder: string, { files }: Manifest, names: readonly string[] = Object.keys(files)) {
    this.#folder = folder;
    this.#files = files;
    this.#pending = new Set(names.filter((name) => Object.hasOwn(files, name)));
  }

  /** Files that are what the manifest states. */
  get checked(): readonly string[] {
    return this.#checked;
  }

  get pending(): readonly string[] {
    return [...this.#pending];
  }

  /** The smallest files, as many as have `mostBytes` together: by default what takes less than half a second. @throws as all */
  async beforeUse(mostBytes = AT_ONCE_BYTES): Promise<void> {
    const bytesOf = (name: string): number => this.#files[name]?.bytes ?? 0;
    let sum = 0;
    const first = [...this.#pending]
      .sort((a, b) => bytesOf(a) - bytesOf(b))
      .filter((name) => {
        sum += bytesOf(name);
        return sum <= mostBytes;
      });
    await this.#check(first, {});
  }

  /** What is left, slowly, until the signal. @throws as all */
  async rest(signal: AbortSignal): Promise<void> {
    try {
      await this.#check(this.pending, { signal, slowly: true });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Everything, and that the graphs use no weights that have no hash.
   * @throws MAGDI_BAD_FILE naming every file that has other bytes than the manifest states */
  async all(onFile?: (done: number, total: number) => void): Promise<void> {
    await this.#check(this.pending, {}, onFile);
    for (const graph of this.#checked.filter((name) => name.endsWith(".onnx"))) this.#assertHashed(graph);
  }

  #assertHashed(graph: string): void {
    const file = path.join(this.#folder, graph);
    const bytes = readRegularFile(file, { within: this.#folder, maxBytes: MOST_GRAPH_BYTES });
    const locations = [...decodeModel(bytes).graph.initializers.values()].flatMap(({ data }) =>
      data.kind === "external" ? [path.posix.join(path.posix.dirname(graph), data.location)] : [],
    );
    const unlisted = locations.find((name) => !Object.hasOwn(this.#files, name));
    if (unlisted === undefined) return;
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${file}: expected weights in files that ${MANIFEST_FILE} lists, found ${JSON.stringify(unlisted)}; import the student again`,
    );
  }

  async #check(
    names: readonly string[],
    options: HashOptions,
    onFile?: (done: number, total: number) => void,
  ): Promise<void> {
    const altered: string[] = [];
    for (const [index, name] of names.entries()) {
      const { sha256 } = await fingerprint(path.join(this.#folder, name), {
        within: this.#folder,
        ...options,
      });
      const stated = this.#files[name]?.sha256;
      if (sha256 !== stated) altered.push(`${name}: expected the SHA-256 ${stated}, found ${sha256}`);
      else if (this.#pending.delete(name)) this.#checked.push(name);
      onFile?.(index + 1, names.length);
      // Whoever uses the files meanwhile is to know at once.
      if (options.slowly && altered.length > 0) break;
    }
    if (altered.length === 0) return;
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${this.#folder}: ${altered.join("; ")}; these are not the files that were imported: copy the folder or import it again`,
    );
  }
}
