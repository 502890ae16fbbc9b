// PEFT's adapter_config.json: which modules have an adapter, of which rank and scale. Fields that change the result and are
// not implemented are an error that names them all.

import type { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { honouredFields, refusedFields } from "./peft-fields.ts";

type PeftConfigJson = z.infer<typeof honouredFields>;

/** A module's pattern as PEFT matches it: the whole name, or its end after a dot. */
function matchesEnd(pattern: string, module: string, where: string): boolean {
  return fullMatch(`(?:.*\\.)?(?:${pattern})`, module, where);
}

function fullMatch(pattern: string, module: string, where: string): boolean {
  try {
    return new RegExp(`^(?:${pattern})$`).test(module);
  } catch (cause) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${where}: expected a regular expression, found ${JSON.stringify(pattern)}`,
      { cause },
    );
  }
}

const named = (list: readonly string[], module: string): boolean =>
  list.some((name) => module === name || module.endsWith(`.${name}`));

const listOf = <T extends string | number>(value: T | readonly T[]): readonly T[] =>
  typeof value === "object" ? value : [value];

export class PeftConfig {
  /** The file it was read from. */
  readonly source: string;
  readonly #json: PeftConfigJson;

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
    const unsupported = refusedFields(json);
    if (unsupported.length > 0) {
      throw new MagdiError(
        "MAGDI_UNSUPPORTED",
        `${source}: this adapter needs what is not implemented:\n  ${unsupported.join("\n  ")}`,
      );
    }
    const parsed = honouredFields.safeParse(json);
    if (!parsed.success) {
      const issues = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${source}: not an adapter's configuration: ${issues.join("; ")}`,
      );
    }
    this.#json = parsed.data;
  }

  get base(): string | null {
    return this.#json.base_model_name_or_path ?? null;
  }

  get dropout(): number {
    return this.#json.lora_dropout ?? 0;
  }

  /** Whether `module`, such as model.layers.0.self_attn.q_proj, has an adapter. */
  adapts(module: string): boolean {
    const { target_modules: targets, exclude_modules: excluded, layers_to_transform: layers } = this.#json;
    if (excluded !== undefined && excluded !== null && this.#targeted(excluded, module)) return false;
    // Without target modules PEFT takes the family's default, which for all of ours is the queries and values.
    if (!this.#targeted(targets ?? ["q_proj", "v_proj"], module)) return false;
    if (layers === undefined || layers === null) return true;
    const patterns = listOf(this.#json.layers_pattern ?? "layers");
    const [index] = /(?<=\.)\d+(?=\.)/.exec(module) ?? [];
    if (index === undefined) return false;
    const stack = module.slice(0, module.indexOf(`.${index}.`));
    const where = `${this.source}: layers_pattern`;
    return (
      patterns.some((pattern) => fullMatch(`.*\\.${pattern}`, stack, where)) &&
      listOf(layers).includes(Number(index))
    );
  }

  #targeted(targets: string | readonly string[], module: string): boolean {
    if (targets === "all-linear") return module !== "lm_head";
    if (typeof targets === "object") return named(targets, module);
    return fullMatch(targets, module, `${this.source}: target_modules`);
  }

  #fromPattern(patterns: Readonly<Record<string, number>> | null | undefined, module: string): number | null {
    const where = `${this.source}: rank_pattern, alpha_pattern`;
    const found = Object.entries(patterns ?? {}).find(([pattern]) => matchesEnd(pattern, module, where));
    return found?.[1] ?? null;
  }

  rank(module: string): number {
    return this.#fromPattern(this.#json.rank_pattern, module) ?? this.#json.r;
  }

  alpha(module: string): number {
    return this.#fromPattern(this.#json.alpha_pattern, module) ?? this.#json.lora_alpha;
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
