// Reads the rotary embedding of a config.json, by the rules of Transformers 5 (modeling_rope_utils.py).

import { isDeepStrictEqual } from "node:util";
import { isObject, type JsonObject } from "../base/files/json-file.ts";
import { examine, type KnownField, unknownFieldsNote } from "../base/known-fields.ts";
import type { RopeScaling } from "../nn/decoder-config.ts";
import { FieldReader } from "./field-reader.ts";

export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling;
  /** How many positions it is made for: max_position_embeddings, or what YaRN stretches the original context to. */
  readonly positions: number;
}

export interface RopeOptions {
  readonly family: string;
  /** The kinds of attention that the layers have. */
  readonly layerTypes: ReadonlySet<string>;
  /** max_position_embeddings; NaN when it is wrong. */
  readonly positions: number;
}

/** The types, and the fields that each reads besides rope_theta. */
export const ROPE_TYPES: Readonly<Record<string, readonly string[]>> = {
  default: [],
  linear: ["factor"],
  dynamic: ["factor"],
  llama3: ["factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"],
  yarn: [
    ...["factor", "original_max_position_embeddings", "attention_factor", "beta_fast", "beta_slow"],
    ...["mscale", "mscale_all_dim", "truncate"],
  ],
  // Our own, of students that were made from GGUF files.
  factors: ["factors"],
};

export const ROPE_FIELDS: readonly KnownField[] = [
  { names: "rope_type, type", treatment: "honoured", about: `one of ${Object.keys(ROPE_TYPES).join(", ")}` },
  {
    names: "rope_theta",
    treatment: "honoured",
    about: "over the field of that name outside; 10000 by default",
  },
  {
    names: [...new Set(Object.values(ROPE_TYPES).flat())].join(", "),
    treatment: "honoured",
    about: "with the types that read them; named in the card beside another type",
  },
  { names: "finetuned", treatment: "ignored", about: "says how the checkpoint was trained" },
  {
    names: "partial_rotary_factor",
    treatment: "refused",
    about: "only whole heads are rotated",
    neutral: [1],
  },
  {
    names: "mrope_section, mrope_interleaved",
    treatment: "refused",
    about: "positions in images and videos",
    neutral: [false],
  },
];

/** Keys under which parameters are nested by layer type. */
const LAYER_TYPES = ["full_attention", "sliding_attention", "chunked_attention", "linear_attention"];

/** Python's truth of a value: an empty rope_scaling gives way to rope_parameters, as null does. */
const isTrue = (value: unknown): boolean =>
  typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);

/** Problems and notes go to `fields`, the reader of `json`. */
export function readRope(fields: FieldReader, json: JsonObject, options: RopeOptions): Rope {
  const key = isTrue(json.rope_scaling) ? "rope_scaling" : "rope_parameters";
  const found = fields.object(key) ?? {};
  const nested = LAYER_TYPES.filter((type) => found[type] !== undefined);
  const rope =
    nested.length > 0 ? readNested(fields, key, found, options) : readFlat(fields, key, found, options);
  const other = json.rope_parameters;
  if (key === "rope_scaling" && isObject(other) && isTrue(other) && !isDeepStrictEqual(found, other)) {
    fields.notes.push(
      `config.json has rope_scaling and rope_parameters; rope_scaling alone is read, as Transformers does, with a rope_theta of ${rope.theta}.`,
    );
  }
  return rope;
}

/** Parameters by layer type: those of all types that the layers have must be the same. */
function readNested(fields: FieldReader, key: string, found: JsonObject, options: RopeOptions): Rope {
  const refuse = (why: string): Rope => {
    fields.unsupported.push(`${key} by layer type (${why})`);
    return { theta: Number.NaN, scaling: { kind: "none" }, positions: options.positions };
  };
  const beside = Object.keys(found).filter((name) => !LAYER_TYPES.includes(name));
  if (beside.length > 0) return refuse(`expected layer types alone, found ${beside.join(", ")} beside them`);
  if (!options.family.startsWith("qwen")) return refuse(`${options.family} has no layer types`);
  const ropes: Rope[] = [];
  for (const type of options.layerTypes) {
    const parameters = found[type];
    if (!isObject(parameters)) return refuse(`none for ${type}, which layers have`);
    ropes.push(readFlat(fields, `${key}.${type}`, parameters, options));
  }
  const [first] = ropes;
  if (first !== undefined && ropes.every((rope) => isDeepStrictEqual(rope, first))) return first;
  return refuse("they differ between the layers' types");
}

function readFlat(outer: FieldReader, key: string, found: JsonObject, { positions }: RopeOptions): Rope {
  const fields = new FieldReader(found, `${key}.`);
  const theta = fields.has("rope_theta") ? fields.number("rope_theta") : outer.number("rope_theta", 10000);
  const type = String(found.rope_type ?? found.type ?? "default");
  const known = Object.hasOwn(ROPE_TYPES, type);
  if (!known) {
    outer.unsupported.push(
      `${key}.rope_type ${JSON.stringify(type)} (${Object.keys(ROPE_TYPES).join(", ")} are)`,
    );
  }
  const { refused, unknown } = examine(found, ROPE_FIELDS, `${key}.`);
  fields.unsupported.push(...refused);
  fields.notes.push(...unknownFieldsNote("config.json", unknown));
  const unread = Object.values(ROPE_TYPES)
    .flat()
    .filter((name) => known && fields.has(name) && !ROPE_TYPES[type]?.includes(name));
  if (unread.length > 0) {
    fields.notes.push(
      `config.json: ${[...new Set(unread)].join(", ")} in ${key} has no meaning beside the rope_type ${type}, and was not read.`,
    );
  }
  // The field outside wins, as in Transformers.
  const original = (): number =>
    outer.has("original_max_position_embeddings")
      ? outer.size("original_max_position_embeddings")
      : fields.size("original_max_position_embeddings", positions);
  let scaling: RopeScaling = { kind: "none" };
  let stretched = positions;
  if (type === "linear") scaling = { kind: type, factor: fields.number("factor") };
  else if (type === "dynamic") {
    fields.number("factor");
    fields.notes.push(
      `config.json: the rope_type dynamic begins to scale beyond max_position_embeddings, where this student's context ends.`,
    );
  } else if (type === "llama3") {
    scaling = {
      kind: type,
      factor: fields.number("factor"),
      lowFrequencyFactor: fields.number("low_freq_factor"),
      highFrequencyFactor: fields.number("high_freq_factor"),
      originalPositions: original(),
    };
  } else if (type === "yarn") {
    const originalPositions = original();
    const factor = found.factor === null ? positions / originalPositions : fields.number("factor");
    scaling = {
      kind: type,
      factor,
      originalPositions,
      betaFast: fields.number("beta_fast", 32),
      betaSlow: fields.number("beta_slow", 1),
      truncate: fields.flag("truncate", true),
      attentionFactor: attentionFactor(fields, factor),
    };
    const reached = Math.floor(factor * originalPositions);
    if (reached > positions && fields.has("original_max_position_embeddings")) {
      stretched = reached;
      fields.notes.push(
        `YaRN stretches the context of ${originalPositions} tokens to ${reached}; max_position_embeddings says ${positions}.`,
      );
    }
  } else if (type === "factors") {
    const factors = (fields.list("factors") ?? []).filter(
      (factor) => typeof factor === "number" && factor > 0,
    );
    scaling = { kind: type, factors: factors.map(Number) };
  }
  outer.include(fields);
  return { theta, scaling, positions: stretched };
}

/** How YaRN scales what it rotates. */
function attentionFactor(fields: FieldReader, factor: number): number {
  if (fields.has("attention_factor")) return fields.number("attention_factor");
  const scale = (by: number): number => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  if (!fields.has("mscale") || !fields.has("mscale_all_dim")) return scale(1);
  return scale(fields.number("mscale")) / scale(fields.number("mscale_all_dim"));
}
