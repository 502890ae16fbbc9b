// PEFT's adapter_config.json: which modules have an adapter, of which rank and scale. peft-fields.ts has the table of its
// fields.

import { existsSync } from "node:fs";
import path from "node:path";
import type { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { readJsonObject } from "../../base/files/json-file.ts";
import { TimeLimitError, withinTime } from "../../base/time-limit.ts";
import { honouredFields, refusedFields, unknownFields } from "./peft-fields.ts";
import { PatternError, pythonPattern } from "./python-pattern.ts";

export const ADAPTER_CONFIG_FILE = "adapter_config.json";
export const ADAPTER_TENSORS_FILE = "adapter_model.safetensors";

/** For a field's expressions over one module's name; they take microseconds. */
const MATCH_MS = 500;

const isEmpty = (value: { readonly length: number } | null | undefined): value is null | undefined =>
  value === undefined || value === null || value.length === 0;

const named = (list: readonly string[], module: string): boolean =>
  list.some((name) => module === name || module.endsWith(`.${name}`));

const listOf = <T extends string | number>(value: T | readonly T[]): readonly T[] =>
  typeof value === "object" ? value : [value];

export class PeftConfig {
  /** The file it was read from. */
  readonly source: string;
  /** What may be read otherwise than its writer meant: one sentence each. */
  readonly notes: readonly string[];
  readonly #json: z.infer<typeof honouredFields>;
  readonly #patterns = new Map<string, RegExp>();

  /** @throws MAGDI_BAD_FILE for wrong fields, MAGDI_UNSUPPORTED naming every field that is not implemented. */
  constructor(source: string, json: Readonly<Record<string, unknown>>) {
    this.source = source;
    if (json.peft_type !== "LORA") {
      const found = JSON.stringify(json.peft_type);
      throw new MagdiError(
        json.peft_type === undefined ? "MAGDI_BAD_FILE" : "MAGDI_UNSUPPORTED",
        `${source}: peft_type: expected "LORA", found ${found}`,
      );
    }
    const refused = refusedFields(json);
    if (refused.length > 0) {
      throw new MagdiError(
        "MAGDI_UNSUPPORTED",
        `${source}: this adapter needs what is not implemented:\n  ${refused.join("\n  ")}`,
      );
    }
    const parsed = honouredFields.safeParse(json);
    if (!parsed.success) {
      const issues = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
      throw this.#bad(`not an adapter's configuration: ${issues.join("; ")}`);
    }
    this.#json = parsed.data;
    this.#assertTogether();
    this.notes = unknownFields(json).map(
      (field) =>
        `The adapter's configuration has a field that is not known, ${field}: ${JSON.stringify(json[field])?.slice(0, 100)}; it was read as if it changed nothing, as PEFT does.`,
    );
  }

  /** What PEFT refuses too. */
  #assertTogether(): void {
    const { target_modules: targets, layers_to_transform: layers, layers_pattern: patterns } = this.#json;
    const isExpression = typeof targets === "string";
    for (const [field, value] of Object.entries({ layers_to_transform: layers, layers_pattern: patterns })) {
      if (!isExpression || value === undefined || value === null) continue;
      throw this.#bad(
        `${field}: expected none beside target_modules ${JSON.stringify(targets)}, which names layers itself, found ${JSON.stringify(value)}`,
      );
    }
    if (!isEmpty(patterns) && (layers === undefined || layers === null)) {
      throw this.#bad(
        `layers_pattern: expected layers_to_transform beside it, found ${JSON.stringify(patterns)} alone`,
      );
    }
  }

  #bad(message: string): MagdiError {
    return new MagdiError("MAGDI_BAD_FILE", `${this.source}: ${message}`);
  }

  get base(): string | null {
    return this.#json.base_model_name_or_path || null;
  }

  /** Of the base. */
  get revision(): string | null {
    return this.#json.revision || null;
  }

  get dropout(): number {
    return this.#json.lora_dropout ?? 0;
  }

  /** Whether `module`, such as model.layers.0.self_attn.q_proj, has an adapter.
   * @throws MAGDI_BAD_FILE, MAGDI_UNSUPPORTED for an expression that cannot be read */
  adapts(module: string): boolean {
    const { target_modules: targets, exclude_modules: excluded } = this.#json;
    if (!isEmpty(excluded) && this.#targets("exclude_modules", excluded, module)) return false;
    // A whole name counts in every layer.
    if (typeof targets === "object" && targets?.includes(module)) return true;
    // Without target modules PEFT takes the family's default, which for all of ours is the queries and values.
    if (!this.#targets("target_modules", targets ?? ["q_proj", "v_proj"], module)) return false;
    return this.#isInLayers(module);
  }

  #isInLayers(module: string): boolean {
    const { layers_to_transform: layers, layers_pattern: patterns } = this.#json;
    if (layers === undefined || layers === null || (typeof layers === "object" && layers.length === 0)) {
      return true;
    }
    const ends = isEmpty(patterns)
      ? [".*?\\.[^.]*\\.(?P<idx>\\d+)\\."]
      : listOf(patterns).map((pattern) => `(?:^|.*?\\.)${pattern}\\.(?P<idx>\\d+)\\.`);
    for (const end of ends) {
      const found = this.#match("layers_pattern", end, module, false);
      if (found === null) continue;
      const { idx } = found.groups ?? {};
      return idx !== undefined && listOf(layers).includes(Number(idx));
    }
    return false;
  }

  #targets(field: string, targets: string | readonly string[], module: string): boolean {
    if (typeof targets === "object") return named(targets, module);
    if (field === "target_modules" && targets.toLowerCase() === "all-linear") {
      return module !== "lm_head" && module !== "model.embed_tokens";
    }
    return this.#match(field, targets, module, true) !== null;
  }

  #fromPattern(field: "rank_pattern" | "alpha_pattern", module: string): number | null {
    const found = Object.entries(this.#json[field] ?? {}).find(
      ([pattern]) => this.#match(field, `(.*\\.)?(${pattern})$`, module, false) !== null,
    );
    return found?.[1] ?? null;
  }

  #match(field: string, pattern: string, module: string, whole: boolean): RegExpExecArray | null {
    const wanted = (): string => `${field}: expected one of Python's regular expressions`;
    try {
      const key = `${whole} ${pattern}`;
      const compiled = this.#patterns.get(key) ?? pythonPattern(pattern, { whole });
      this.#patterns.set(key, compiled);
      return withinTime(MATCH_MS, () => compiled.exec(module));
    } catch (cause) {
      const shown = JSON.stringify(pattern).slice(0, 200);
      if (cause instanceof TimeLimitError) {
        throw this.#bad(`${wanted()} that is matched in a moment, found ${shown}: ${cause.message}`);
      }
      if (!(cause instanceof PatternError)) throw cause;
      if (!cause.isPython) throw this.#bad(`${wanted()}, found ${shown}: ${cause.message}`);
      throw new MagdiError(
        "MAGDI_UNSUPPORTED",
        `${this.source}: ${wanted()} that can be read here, found ${shown}: ${cause.message}`,
      );
    }
  }

  rank(module: string): number {
    return this.#fromPattern("rank_pattern", module) ?? this.#json.r;
  }

  alpha(module: string): number {
    return this.#fromPattern("alpha_pattern", module) ?? this.#json.lora_alpha;
  }

  /** s: alpha / r, or alpha / √r for rank-stabilised adapters. */
  scale(module: string): number {
    const rank = this.rank(module);
    return this.alpha(module) / (this.#json.use_rslora ? Math.sqrt(rank) : rank);
  }

  get rankStabilised(): boolean {
    return this.#json.use_rslora ?? false;
  }
}

/** @throws MAGDI_FILE_MISSING when the folder holds no adapter's configuration. */
export function assertAdapterFolder(folder: string): void {
  if (existsSync(path.join(folder, ADAPTER_CONFIG_FILE))) return;
  throw new MagdiError(
    "MAGDI_FILE_MISSING",
    `${folder}: expected a PEFT adapter's folder, with ${ADAPTER_CONFIG_FILE} and ${ADAPTER_TENSORS_FILE} in it`,
  );
}

/** @throws MAGDI_FILE_MISSING; as the constructor */
export function readPeftConfig(folder: string): PeftConfig {
  assertAdapterFolder(folder);
  const file = path.join(folder, ADAPTER_CONFIG_FILE);
  return new PeftConfig(file, readJsonObject(file, undefined, { within: folder }));
}
