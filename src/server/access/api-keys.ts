// The API keys of the server's callers, as SHA-256 hashes with a name, a weight and rights each. No HTTP here. No error message quotes a key
// file or MAGDI_API_KEYS: a malformed line may be the key itself.

import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { MagdiError } from "../../base/errors.ts";
import { type Caller, PLAIN_KEY } from "./caller.ts";
import { type KeyOptions, KeyProblem, optionsOfFields, optionsOfWords } from "./key-options.ts";

const MIN_KEY_CHARS = 16;
const MAX_KEY_CHARS = 512;
/** Each request is compared with all keys, so their number bounds the cost. */
const MAX_KEYS = 1000;

export interface ApiKey extends KeyOptions {
  readonly name: string;
  /** SHA-256 of the key, 32 bytes. */
  readonly hash: Buffer;
}

export class ApiKeys {
  readonly #keys: readonly { readonly caller: Caller; readonly hash: Buffer }[];

  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys.map(({ hash, ...key }) => ({ caller: { ...key, account: key.name }, hash }));
  }

  get names(): string[] {
    return this.#keys.map(({ caller }) => caller.name);
  }

  /** The key's caller, or null. Constant time: every key is compared, whether or not one has matched. */
  callerOf(key: string): Caller | null {
    const hash = sha256(key);
    let found: Caller | null = null;
    for (const known of this.#keys) {
      if (timingSafeEqual(known.hash, hash)) found = known.caller;
    }
    return found;
  }
}

/**
 * The keys of both sources, or null if neither is set: then no key is needed.
 *
 * @throws MagdiError MAGDI_BAD_CONFIG or MAGDI_FILE_MISSING, naming the setting and never a key
 */
export function openApiKeys(sources: {
  /** From MAGDI_API_KEYS. */
  readonly apiKeys: readonly ApiKey[] | null;
  readonly apiKeysFile: string | null;
}): ApiKeys | null {
  const { apiKeys, apiKeysFile } = sources;
  if (apiKeysFile === null) return apiKeys === null ? null : new ApiKeys(apiKeys);
  const inFile = readKeyFile(apiKeysFile);
  const all = [...(apiKeys ?? []), ...inFile];
  const wrong = conflict(all);
  if (wrong === null) return new ApiKeys(all);
  const where = conflict(inFile) === null ? `MAGDI_API_KEYS and ${apiKeysFile} together` : apiKeysFile;
  throw new MagdiError("MAGDI_BAD_CONFIG", `apiKeysFile: ${where}: ${wrong}`);
}

/**
 * Parses `name:key,name:key`. Instead of a key, an entry may have `sha256:` and the 64 hexadecimal digits of its hash. After
 * it may come ` weight=2` and ` rights=ask+metrics`.
 *
 * @throws Error that names the entry and what was expected
 */
export function parseKeyList(text: string): ApiKey[] {
  const entries = text.split(",").map((part) => part.trim());
  if (entries.at(-1) === "") entries.pop();
  const keys = entries.map((entry, index) => lineKey(entry, `entry ${index + 1}`));
  return checked(keys);
}

function readKeyFile(path: string): ApiKey[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? ` (${cause.code})` : "";
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `apiKeysFile: expected ${path} to be a file of API keys, found none to read${code}`,
    );
  }
  try {
    const content = text.replace(/^\uFEFF/, "");
    return checked(content.trimStart().startsWith("{") ? parseJson(content) : parseLines(content));
  } catch (cause) {
    if (!(cause instanceof KeyProblem)) throw cause;
    throw new MagdiError("MAGDI_BAD_CONFIG", `apiKeysFile: ${path}: ${cause.message}`);
  }
}

function parseLines(text: string): ApiKey[] {
  return text.split(/\r?\n/).flatMap((line, index) => {
    const entry = line.trim();
    return entry === "" || entry.startsWith("#") ? [] : [lineKey(entry, `line ${index + 1}`)];
  });
}

function parseJson(text: string): ApiKey[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new KeyProblem('expected a JSON object {"name": "key"}, found text that is not JSON');
  }
  // The text begins with a brace, so the result is an object.
  const entries = Object.entries(content as object);
  const keys = entries.map(([name, value], index) => {
    const where = `entry ${index + 1}`;
    if (typeof value === "string") return keyOf({ name, key: value, options: PLAIN_KEY }, where);
    const { key, ...fields }: { key?: unknown } = isObject(value) ? value : {};
    if (typeof key !== "string") {
      throw new KeyProblem(`${where}: expected a text, or an object with key, weight and rights`);
    }
    return keyOf({ name, key, options: optionsOfFields(fields, where) }, where);
  });
  // JSON.parse silently keeps the last of two equal names, so the text has more strings then.
  const texts = text.match(/"(?:[^"\\]|\\.)*"/g) ?? [];
  if (texts.length !== countTexts(content)) throw new KeyProblem("expected each name once, found one twice");
  return keys;
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Strings in a JSON value, names of fields included. */
function countTexts(value: unknown): number {
  if (typeof value === "string") return 1;
  if (typeof value !== "object" || value === null) return 0;
  const inside = Object.values(value).reduce((texts: number, item) => texts + countTexts(item), 0);
  return inside + (Array.isArray(value) ? 0 : Object.keys(value).length);
}

const lineKey = (entry: string, where: string): ApiKey => keyOf(splitEntry(entry, where), where);

interface Entry {
  readonly name: string;
  readonly key: string;
  readonly options: KeyOptions;
}

function splitEntry(entry: string, where: string): Entry {
  const colon = entry.indexOf(":");
  if (colon < 0) throw new KeyProblem(`${where}: expected name:key, found no colon`);
  const [key = "", ...words] = entry
    .slice(colon + 1)
    .trim()
    .split(/\s+/);
  return { name: entry.slice(0, colon).trim(), key, options: optionsOfWords(words, where) };
}

function keyOf({ name, key, options }: Entry, where: string): ApiKey {
  if (!/^[\w.@-]{1,64}$/.test(name)) {
    throw new KeyProblem(`${where}: expected a name of 1 to 64 letters, digits and . _ @ - before the colon`);
  }
  if (key.startsWith("sha256:")) {
    const hex = key.slice("sha256:".length);
    if (/^[0-9a-fA-F]{64}$/.test(hex)) return { name, ...options, hash: Buffer.from(hex, "hex") };
    throw new KeyProblem(
      `${where}: expected 64 hexadecimal digits after sha256:, found ${hex.length} characters`,
    );
  }
  if (key.length < MIN_KEY_CHARS || key.length > MAX_KEY_CHARS) {
    throw new KeyProblem(
      `${where}: expected a key of ${MIN_KEY_CHARS} to ${MAX_KEY_CHARS} characters, found ${key.length}; ` +
        "openssl rand -hex 24 makes one",
    );
  }
  if (!/^[!-~]+$/.test(key)) {
    throw new KeyProblem(
      `${where}: expected a key of printable ASCII without spaces, found other characters`,
    );
  }
  return { name, ...options, hash: sha256(key) };
}

function checked(keys: ApiKey[]): ApiKey[] {
  if (keys.length === 0) throw new KeyProblem("expected at least one name:key, found none");
  if (keys.length > MAX_KEYS) throw new KeyProblem(`expected at most ${MAX_KEYS} keys, found ${keys.length}`);
  const wrong = conflict(keys);
  if (wrong !== null) throw new KeyProblem(wrong);
  return keys;
}

function conflict(keys: readonly ApiKey[]): string | null {
  if (new Set(keys.map(({ name }) => name)).size < keys.length) {
    return "expected each name once, found one twice";
  }
  const hashes = new Set(keys.map(({ hash }) => hash.toString("hex")));
  return hashes.size < keys.length ? "expected each key under one name, found one under two" : null;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text, "utf8").digest();
}
