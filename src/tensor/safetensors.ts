// Reads safetensors files: a single one, or the shards of an index.

import { dirname, isAbsolute, join, normalize, sep } from "node:path";
import { MagdiError } from "../base/errors.ts";
import type { FileLimits } from "../base/files/regular-file.ts";
import { badFile, quoted } from "./bad-file.ts";
import { FileBytes } from "./file-bytes.ts";
import { JsonCursor } from "./json-cursor.ts";
import {
  decodeUtf8,
  MAX_HEADER_BYTES,
  readSafetensorsHeader,
  type SafetensorsHeader,
} from "./safetensors-header.ts";
import { closingOnError, PlacedTensorFile, type TensorEntry, type TensorFile } from "./tensor-file.ts";

export { writeSafetensors } from "./safetensors-writer.ts";

export class SafetensorsFile extends PlacedTensorFile {
  /** The header's __metadata__, such as format: pt. */
  readonly metadata: ReadonlyMap<string, string>;

  constructor(file: FileBytes, header: SafetensorsHeader) {
    super(file, header.tensors);
    this.metadata = header.metadata;
  }
}

/**
 * Opens one file; only its header is read.
 *
 * @throws MagdiError MAGDI_FILE_MISSING; MAGDI_BAD_FILE when it is truncated or breaks a rule of the format;
 * MAGDI_UNSUPPORTED for element types that exist but are not implemented.
 * @example const file = openSafetensors("model.safetensors"); file.readFloat32("model.norm.weight"); file.close();
 */
export function openSafetensors(path: string, limits: FileLimits = {}): SafetensorsFile {
  const file = new FileBytes(path, limits);
  return closingOnError(file, () => new SafetensorsFile(file, readSafetensorsHeader(file)));
}

/**
 * Opens the shards of a model.safetensors.index.json as one file of tensors.
 *
 * @throws MagdiError as openSafetensors; MAGDI_FILE_MISSING names every shard that is missing, MAGDI_BAD_FILE every
 * tensor that its shard lacks.
 */
export function openShardedSafetensors(indexPath: string): TensorFile {
  const shardOf = readWeightMap(indexPath);
  const shards = new Map<string, SafetensorsFile>();
  return closingOnError({ close: () => closeAll(shards) }, () => {
    openShards(indexPath, new Set(shardOf.values()), shards);
    const lacking = [...shardOf].filter(([tensor, shard]) => !shards.get(shard)?.entries.has(tensor));
    if (lacking.length > 0) {
      const named = lacking.map(([tensor, shard]) => `${quoted(tensor)} in ${quoted(shard)}`);
      throw badFile(indexPath, "weight_map", "each tensor in its shard", `missing: ${listed(named)}`);
    }
    return new ShardedSafetensorsFile(indexPath, shardOf, shards);
  });
}

function openShards(indexPath: string, names: Set<string>, shards: Map<string, SafetensorsFile>): void {
  const folder = dirname(indexPath);
  const missing: string[] = [];
  for (const name of names) {
    try {
      shards.set(name, openSafetensors(join(folder, name), { within: folder }));
    } catch (error) {
      if (!(error instanceof MagdiError) || error.code !== "MAGDI_FILE_MISSING") throw error;
      missing.push(quoted(name));
    }
  }
  if (missing.length === 0) return;
  const message = `${indexPath}: expected its shards beside it, missing: ${listed(missing)}; download them too`;
  throw new MagdiError("MAGDI_FILE_MISSING", message);
}

function listed(names: readonly string[]): string {
  const rest = names.length > 10 ? ` and ${names.length - 10} more` : "";
  return names.slice(0, 10).join(", ") + rest;
}

/** The index's tensor names and the file, inside its folder, that holds each. */
function readWeightMap(indexPath: string): Map<string, string> {
  const file = new FileBytes(indexPath, { within: dirname(indexPath), maxBytes: MAX_HEADER_BYTES });
  return closingOnError(file, () => {
    const text = decodeUtf8(indexPath, "the index", file.read(0, file.sizeBytes, "the index"));
    file.close();
    const shardOf = new Map<string, string>();
    const json = new JsonCursor(indexPath, "the index", text);
    json.object((key) => {
      if (key !== "weight_map") return json.skip();
      json.object((tensor) => shardOf.set(tensor, safeShardName(indexPath, tensor, json.string("a file"))));
    });
    json.end();
    if (shardOf.size === 0) throw badFile(indexPath, "weight_map", "tensors and their shards", "none");
    return shardOf;
  });
}

/** File systems allow 255 bytes for a name. */
const MAX_SHARD_NAME = 1024;

function safeShardName(indexPath: string, tensor: string, name: string): string {
  const path = normalize(name);
  const isInside = !isAbsolute(path) && path !== ".." && !path.startsWith(`..${sep}`) && !name.includes("\0");
  if (name !== "" && name.length <= MAX_SHARD_NAME && isInside) return name;
  throw badFile(indexPath, `tensor ${quoted(tensor)}`, "a shard inside the index's folder", quoted(name));
}

function closeAll(shards: ReadonlyMap<string, SafetensorsFile>): void {
  for (const shard of shards.values()) shard.close();
}

class ShardedSafetensorsFile implements TensorFile {
  readonly path: string;
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly #holders: ReadonlyMap<string, SafetensorsFile>;
  readonly #shards: ReadonlyMap<string, SafetensorsFile>;

  constructor(
    path: string,
    shardOf: ReadonlyMap<string, string>,
    shards: ReadonlyMap<string, SafetensorsFile>,
  ) {
    this.path = path;
    this.#shards = shards;
    const holders = new Map<string, SafetensorsFile>();
    const entries = new Map<string, TensorEntry>();
    for (const [tensor, name] of shardOf) {
      const shard = shards.get(name);
      const entry = shard?.entries.get(tensor);
      if (shard === undefined || entry === undefined) continue;
      holders.set(tensor, shard);
      entries.set(tensor, entry);
    }
    this.#holders = holders;
    this.entries = entries;
  }

  readRaw(name: string): Uint8Array<ArrayBuffer> {
    return this.#holder(name).readRaw(name);
  }

  readFloat32(name: string): Float32Array<ArrayBuffer> {
    return this.#holder(name).readFloat32(name);
  }

  close(): void {
    closeAll(this.#shards);
  }

  #holder(name: string): SafetensorsFile {
    const shard = this.#holders.get(name);
    if (shard !== undefined) return shard;
    throw badFile(this.path, `tensor ${quoted(name)}`, "it in weight_map", `${this.entries.size} others`);
  }
}
