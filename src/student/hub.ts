// Downloads base models from a Hugging Face hub into a cache: hub ids, the files that a model needs, what the cache
// holds.

import { rmSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { MagdiError } from "../base/errors.ts";
import { readJsonObject } from "../base/files/json-file.ts";
import { readRegularText } from "../base/files/regular-file.ts";
import { writeWholeFile } from "../base/files/whole-file.ts";
import { readConfigJson } from "./config-json.ts";
import { HubClient, HubUnreachable, type RemoteFile } from "./hub-client.ts";
import { downloadFile, fileSizeBytes, onDisk } from "./hub-file.ts";
import { TEXT_FILES } from "./text-files.ts";

const CONFIG = "config.json";
const WEIGHTS = "model.safetensors";
const INDEX = "model.safetensors.index.json";
const ADAPTER_CONFIG = "adapter_config.json";
const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** Read by the import if the repository has them. */
const OPTIONAL_FILES = ["generation_config.json", ...TEXT_FILES];

/** Of a file that is read as text: as much as the import reads. */
const MOST_TEXT_BYTES = 2 ** 26;
/** Of weights whose size the hub states. */
const MOST_WEIGHT_BYTES = 2 ** 40;
/** Of weights whose size it does not state: nobody can tell when they would end. */
const MOST_UNSTATED_BYTES = 2 ** 30;
const MOST_SHARDS = 2000;

/** Lists the cached files and their versions. */
const RECORD = ".hub.json";

/** OWNER/NAME[@REVISION][:FILE.gguf] */
export interface HubId {
  readonly repository: string;
  readonly revision: string;
  /** One GGUF file of the repository; null for the model in safetensors. */
  readonly file: string | null;
}

export interface HubProgress {
  readonly file: string;
  readonly doneBytes: number;
  /** Null when the hub does not state it. */
  readonly totalBytes: number | null;
}

export interface HubOptions {
  readonly cacheFolder: string;
  readonly endpoint?: string;
  readonly token?: string | null;
  readonly fetch?: typeof fetch;
  readonly delay?: (milliseconds: number) => Promise<void>;
  /** How long the hub may take to answer, and for each quarter of a megabyte. Default: a minute. */
  readonly patienceMs?: number;
  readonly onProgress?: (progress: HubProgress) => void;
}

interface CacheRecord {
  /** All files of the model were downloaded. */
  complete: boolean;
  readonly files: Record<string, { readonly etag: string | null; readonly sizeBytes: number }>;
}

/** The settings in MAGDI_CACHE, HF_ENDPOINT and HF_TOKEN. */
export function hubSettings(
  environment: Readonly<Record<string, string | undefined>>,
): Pick<HubOptions, "cacheFolder" | "token"> & { readonly endpoint: string } {
  return {
    cacheFolder: path.resolve(environment.MAGDI_CACHE || path.join(homedir(), ".cache", "magdi")),
    endpoint: environment.HF_ENDPOINT || "https://huggingface.co",
    token: environment.HF_TOKEN?.trim() || null,
  };
}

/** Parses a hub id; null when the text is none.
 * @example parseHubId("Qwen/Qwen3-0.6B-GGUF:Qwen3-0.6B-Q8_0.gguf")?.file // "Qwen3-0.6B-Q8_0.gguf" */
export function parseHubId(text: string): HubId | null {
  const match = /^([^/@:]+\/[^/@:]+)(?:@([^@:]+))?(?::([^:]+))?$/.exec(text);
  const repository = match?.[1] ?? "";
  const revision = match?.[2] ?? "main";
  const file = match?.[3] ?? null;
  // The hub's own rules; the cache writes the slash as "--".
  const named = repository
    .split("/")
    .every((part) => /^\w(?:[\w.-]{0,94}\w)?$/.test(part) && !/--|\.\./.test(part));
  if (!named || /\.(?:gguf|safetensors|git)$/i.test(repository)) return null; // a mistyped path
  if (!isPlainPath(revision)) return null;
  if (file !== null && !(isPlainPath(file) && /\.gguf$/i.test(file))) return null;
  return { repository, revision, file };
}

/** A relative path that stays inside its folder on every system. */
function isPlainPath(text: string): boolean {
  return text.split("/").every((part) => /^\w[\w.+-]*$/.test(part) && !part.endsWith("."));
}

/** Downloads what is not in the cache yet. Resolves to the folder, or to the file for an id that names one. Without a
 * network it takes a complete copy in the cache.
 * @throws MAGDI_FILE_MISSING: unreachable, refused, unknown, disk full; MAGDI_BAD_FILE: what arrived is not what the
 * hub states, or the index names files outside; MAGDI_UNSUPPORTED before any weights are downloaded; MAGDI_BAD_CONFIG. */
export async function downloadFromHub(id: HubId, options: HubOptions): Promise<string> {
  const { file } = id;
  return download(new CachedRevision(id, "hub", options), (cached) =>
    file === null ? cached.fetchModel() : cached.fetchOnly(file),
  );
}

/** As downloadFromHub, of an adapter in PEFT's format with its tokenizer files; resolves to its folder. */
export async function downloadAdapter(id: HubId, options: HubOptions): Promise<string> {
  return download(new CachedRevision(id, "adapters", options), (cached) => cached.fetchAdapter());
}

async function download(
  cached: CachedRevision,
  fetchAll: (cached: CachedRevision) => Promise<void>,
): Promise<string> {
  if (cached.isFixed && cached.isComplete) return cached.result;
  try {
    await fetchAll(cached);
  } catch (error) {
    if (error instanceof HubUnreachable && cached.isComplete) return cached.result;
    if (!(error instanceof MagdiError) || cached.isKnown) throw error;
    // A mistyped path looks like an id.
    const message = `${cached.repository}: there is no such file or folder here, and ${error.message}`;
    throw new MagdiError(error.code, message, { cause: error });
  }
  return cached.result;
}

class CachedRevision {
  readonly folder: string;
  readonly #id: HubId;
  readonly #options: HubOptions;
  readonly #client: HubClient;
  readonly #record: CacheRecord;
  /** The first file's commit, for all files of one download. */
  #revision: string;
  /** Whether the hub has the repository. */
  isKnown = false;

  /** @param part of the cache, as a repository may have a model and an adapter */
  constructor(id: HubId, part: "hub" | "adapters", options: HubOptions) {
    this.#id = id;
    this.#options = options;
    this.#revision = id.revision;
    const owner = id.repository.replace("/", "--");
    this.folder = path.join(options.cacheFolder, part, owner, encodeURIComponent(id.revision));
    this.#record = readRecord(path.join(this.folder, RECORD));
    this.#client = new HubClient({
      endpoint: options.endpoint ?? "https://huggingface.co",
      token: options.token ?? null,
      fetch: options.fetch ?? fetch,
      delay: options.delay ?? ((milliseconds) => pause(milliseconds)),
      ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }),
    });
  }

  get repository(): string {
    return this.#id.repository;
  }

  get result(): string {
    return this.#id.file === null ? this.folder : path.join(this.folder, this.#id.file);
  }

  /** A commit never changes. */
  get isFixed(): boolean {
    return /^[0-9a-f]{40}$/.test(this.#id.revision);
  }

  get isComplete(): boolean {
    const { file } = this.#id;
    if (file !== null) return this.#isThere(file);
    return this.#record.complete && Object.keys(this.#record.files).every((name) => this.#isThere(name));
  }

  async fetchModel(): Promise<void> {
    if (!(await this.#fetch(CONFIG))) {
      throw this.#lacks(
        `${CONFIG}: check the name; for one of its GGUF files write ${this.#id.repository}:FILE.gguf`,
      );
    }
    // Refuses an unsupported model before its weights are downloaded.
    const config = path.join(this.folder, CONFIG);
    readConfigJson(readJsonObject(config), config);
    for (const name of OPTIONAL_FILES) await this.#fetch(name);
    if (!(await this.#fetch(WEIGHTS))) {
      if (!(await this.#fetch(INDEX))) {
        throw this.#lacks(`${WEIGHTS} or ${INDEX}; other weight formats are not read`);
      }
      for (const name of shardNames(path.join(this.folder, INDEX))) {
        if (!(await this.#fetch(name))) throw this.#lacks(`${name}, which its ${INDEX} names`);
      }
    }
    this.#record.complete = true;
    await this.#writeRecord();
  }

  async fetchAdapter(): Promise<void> {
    for (const name of [ADAPTER_CONFIG, ADAPTER_WEIGHTS]) {
      if (!(await this.#fetch(name))) throw this.#lacks(`${name}: expected an adapter in PEFT's format`);
    }
    for (const name of OPTIONAL_FILES) await this.#fetch(name);
    this.#record.complete = true;
    await this.#writeRecord();
  }

  async fetchOnly(file: string): Promise<void> {
    if (!(await this.#fetch(file))) throw this.#lacks(file);
  }

  #lacks(what: string): MagdiError {
    const where = `${this.#id.repository}@${this.#id.revision}`;
    return new MagdiError("MAGDI_FILE_MISSING", `${where} on ${this.#options.endpoint}: there is no ${what}`);
  }

  #isThere(name: string): boolean {
    const known = Object.hasOwn(this.#record.files, name) ? this.#record.files[name] : undefined;
    return known !== undefined && known.sizeBytes === fileSizeBytes(path.join(this.folder, name));
  }

  /** Brings one file up to date; false when the repository has none, and then the cached one is removed. */
  async #fetch(name: string): Promise<boolean> {
    const file = path.join(this.folder, name);
    const { repository } = this.#id;
    const remote = await this.#client.describe({ repository, revision: this.#revision, name });
    if (remote === null) {
      rmSync(file, { force: true });
      if (Object.hasOwn(this.#record.files, name)) {
        delete this.#record.files[name];
        await this.#writeRecord();
      }
      return false;
    }
    this.isKnown = true;
    this.#revision = remote.commit ?? this.#revision;
    if (this.#isCurrent(name, remote)) return true;
    if (this.#id.file === null) this.#record.complete = false;
    delete this.#record.files[name];
    await this.#writeRecord();
    const maxBytes = mostBytes(name, remote);
    await downloadFile(this.#client, repository, remote, file, maxBytes, (doneBytes, totalBytes) =>
      this.#options.onProgress?.({ file: name, doneBytes, totalBytes }),
    );
    this.#record.files[name] = { etag: remote.etag, sizeBytes: fileSizeBytes(file) ?? 0 };
    await this.#writeRecord();
    return true;
  }

  #isCurrent(name: string, remote: RemoteFile): boolean {
    return remote.etag !== null && this.#isThere(name) && this.#record.files[name]?.etag === remote.etag;
  }

  async #writeRecord(): Promise<void> {
    const record = path.join(this.folder, RECORD);
    await onDisk(this.folder, () => writeWholeFile(record, `${JSON.stringify(this.#record, null, 2)}\n`));
  }
}

function mostBytes(name: string, { sizeBytes }: RemoteFile): number {
  if (!/\.(?:safetensors|gguf)$/i.test(name)) return MOST_TEXT_BYTES;
  return sizeBytes === null ? MOST_UNSTATED_BYTES : MOST_WEIGHT_BYTES;
}

/** The cache's record; an empty one when it cannot be read. */
function readRecord(file: string): CacheRecord {
  const empty: CacheRecord = { complete: false, files: {} };
  try {
    const { complete, files }: { complete?: unknown; files?: unknown } = JSON.parse(readRegularText(file));
    if (typeof files !== "object" || files === null) return empty;
    const known = Object.entries(files as CacheRecord["files"]); // checked entry by entry
    const sound = known.filter(([, entry]) => typeof entry?.sizeBytes === "number");
    return { complete: complete === true && sound.length === known.length, files: Object.fromEntries(sound) };
  } catch {
    return empty;
  }
}

/** The files that an index names, without repetition. @throws MAGDI_BAD_FILE */
function shardNames(index: string): string[] {
  const map = readJsonObject(index).weight_map;
  const names = typeof map === "object" && map !== null ? [...new Set<unknown>(Object.values(map))] : [];
  const isShard = (name: unknown): name is string =>
    typeof name === "string" && isPlainPath(name) && name.endsWith(".safetensors");
  const odd = names.filter((name) => !isShard(name));
  if (names.length === 0 || odd.length > 0) {
    const found = names.length === 0 ? "none" : JSON.stringify(odd[0]);
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${index}: weight_map: expected .safetensors files inside the repository, found ${found}`,
    );
  }
  if (names.length > MOST_SHARDS) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${index}: weight_map: expected at most ${MOST_SHARDS} files, found ${names.length}`,
    );
  }
  return names.filter(isShard).sort();
}
