// Reads the fields of a JSON object and collects the problems with them, so that one error lists them all.

import { isObject, type JsonObject } from "../base/files/json-file.ts";

export class FieldReader {
  /** Missing or malformed fields. */
  readonly problems: string[] = [];
  /** Valid fields whose values are not implemented here. */
  readonly unsupported: string[] = [];
  /** What was read otherwise than one may expect: one sentence each. */
  readonly notes: string[] = [];
  readonly #json: JsonObject;
  readonly #where: string;

  constructor(json: JsonObject, where = "") {
    this.#json = json;
    this.#where = where;
  }

  /** Not null. */
  has(key: string): boolean {
    return this.#json[key] !== undefined && this.#json[key] !== null;
  }

  /** There, though it may be null. */
  isGiven(key: string): boolean {
    return this.#json[key] !== undefined;
  }

  /** A positive number; NaN when it is wrong, or missing with a fallback of NaN. */
  number(key: string, fallback?: number): number {
    const value = this.#json[key] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    if (this.has(key) || !Number.isNaN(fallback)) this.#expected(key, "a positive number", value);
    return Number.NaN;
  }

  /** A whole number from 1, or NaN. */
  size(key: string, fallback?: number): number {
    const value = this.number(key, fallback);
    if (Number.isNaN(value) || (Number.isInteger(value) && value <= 2 ** 31)) return value;
    this.#expected(key, "a whole number up to 2^31", value);
    return Number.NaN;
  }

  /** A whole number from 0. */
  count(key: string, fallback: number): number {
    const value = this.#json[key] ?? fallback;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
    this.#expected(key, "a whole number from 0", value);
    return fallback;
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.#json[key] ?? fallback;
    if (typeof value === "boolean") return value;
    this.#expected(key, "true or false", value);
    return fallback;
  }

  object(key: string): JsonObject | null {
    const value = this.#json[key];
    if (value === undefined || value === null) return null;
    if (isObject(value)) return value;
    this.#expected(key, "an object", value);
    return null;
  }

  list(key: string): readonly unknown[] | null {
    const value = this.#json[key];
    if (value === undefined || value === null) return null;
    if (Array.isArray(value)) return value;
    this.#expected(key, "a list", value);
    return null;
  }

  /** Takes over what another reader, of an object inside this one, has found. */
  include({ problems, unsupported, notes }: FieldReader): void {
    this.problems.push(...problems);
    this.unsupported.push(...unsupported);
    this.notes.push(...notes);
  }

  #expected(key: string, expected: string, found: unknown): void {
    // JSON has no NaN, but the metadata of a GGUF file can hold one.
    const told = typeof found === "number" ? String(found) : (JSON.stringify(found) ?? "nothing");
    this.problems.push(`${this.#where}${key}: expected ${expected}, found ${told}`);
  }
}
