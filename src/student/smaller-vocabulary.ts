// A base model with fewer tokens: the rows of the tokens that texts need, in the source's own values, and every id that a
// file names renumbered with them.

import { MagdiError } from "../base/errors.ts";
import type { JsonObject } from "../base/files/json-file.ts";
import { chatTemplateOf } from "../text/chat-template.ts";
import { cutTokenizer } from "../text/cut-tokenizer.ts";
import { samplePrompts } from "../text/sample-prompts.ts";
import type { BaseModel, BaseTensor } from "./base-model.ts";
import type { ConfigJson } from "./config-json.ts";
import type { Vocabulary } from "./manifest.ts";
import { BLOCK_SIZE } from "./quantise-blocks.ts";
import { EMBEDDING, HEAD } from "./tied-head.ts";

export interface VocabularyOptions {
  /** Texts of the kind that the student is for. */
  readonly texts: AsyncIterable<string> | Iterable<string>;
  /** Prompts that it is asked with: what all of them say is kept whatever the texts are. */
  readonly prompts: readonly string[];
  /** How many tokens to keep at most. Default: what the texts need. */
  readonly size?: number;
}

/** Lists of generation_config.json that forbid tokens; one that is gone is forbidden by being gone. */
const FORBIDDING = ["suppress_tokens", "begin_suppress_tokens"];
/** Others that hold ids, which would have to keep their order. */
const WITH_IDS = ["bad_words_ids", "force_words_ids", "forced_decoder_ids", "sequence_bias"];

/**
 * It reads from `base`, and closing it closes `base`.
 * @throws MAGDI_UNSUPPORTED naming a tokenizer that cannot be cut, MAGDI_BAD_FILE for ids without a row, MAGDI_BAD_CONFIG
 */
export async function withSmallerVocabulary(
  base: BaseModel,
  options: VocabularyOptions,
): Promise<{ readonly base: BaseModel; readonly vocabulary: Vocabulary }> {
  const { source, config, textFiles } = base;
  if (!textFiles.has("tokenizer.json")) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${source}: expected a tokenizer.json to cut the vocabulary of, found none`,
    );
  }
  const files = { "config.json": base.configJson, "generation_config.json": base.generationConfig };
  const namedIds = new Set<number>();
  for (const [name, json] of Object.entries(files)) {
    assertRenumberable(json, `${source}: ${name}`);
    renumbered(json, (id) => {
      namedIds.add(id);
      return id;
    });
  }
  const chatTemplate = chatTemplateOf(textFiles, source);
  const cut = await cutTokenizer(textFiles, source, {
    texts: options.texts,
    always: (tokenizer) => [
      ...samplePrompts({ tokenizer, chatTemplate }, options.prompts[0] ?? "Hello"),
      ...options.prompts.map((prompt) => tokenizer.encode(prompt, { addSpecialTokens: true })),
    ],
    namedIds,
    size: options.size ?? null,
  });
  const { keptIds } = cut;
  const beyond = keptIds.findIndex((id) => id >= config.vocabSize);
  if (beyond >= 0) {
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${source}: expected a row of the embedding for every token, found token ${keptIds[beyond]} and ${config.vocabSize} rows; such a vocabulary cannot be cut`,
    );
  }
  const newIdOf = new Map([...keptIds].map((old, id) => [old, id]));
  const newId = (id: number): number => newIdOf.get(id) ?? id;
  const tensors = new Map(base.tensors);
  for (const name of [EMBEDDING, HEAD]) {
    const tensor = tensors.get(name);
    if (tensor !== undefined) tensors.set(name, withRows(tensor, keptIds));
  }
  return {
    base: {
      ...base,
      config: { ...config, vocabSize: keptIds.length },
      configJson: { ...renumbered(base.configJson, newId), vocab_size: keptIds.length },
      generationConfig: withoutForbidden(renumbered(base.generationConfig, newId), newIdOf),
      textFiles: cut.files,
      tensors,
      close: () => base.close(),
    },
    vocabulary: {
      tokens: keptIds.length,
      of: config.vocabSize,
      textTokens: cut.textTokens.all,
      keptTextTokens: cut.textTokens.kept,
    },
  };
}

/** Ids in the keys that name one or several tokens; −1 is some files' word for none. */
function renumbered(json: JsonObject, newId: (id: number) => number): ConfigJson {
  const change = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(change)
      : typeof value === "number" && Number.isInteger(value) && value >= 0
        ? newId(value)
        : value;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [key, /_token_ids?$/.test(key) ? change(value) : value]),
  );
}

function withoutForbidden(json: ConfigJson, newIdOf: ReadonlyMap<number, number>): ConfigJson {
  const changed: Record<string, unknown> = { ...json };
  for (const key of FORBIDDING) {
    const ids = changed[key];
    if (Array.isArray(ids)) changed[key] = ids.flatMap((id) => newIdOf.get(Number(id)) ?? []);
  }
  return changed;
}

/** @throws MAGDI_UNSUPPORTED */
function assertRenumberable(json: JsonObject, where: string): void {
  const found = WITH_IDS.find((key) => json[key] !== undefined && json[key] !== null);
  if (found === undefined) return;
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${where}: ${found} names tokens by ids, which a cut vocabulary cannot keep; remove it first`,
  );
}

/** Some rows of a matrix, in its own floats or on its own grid. */
function withRows(tensor: BaseTensor, rows: Int32Array): BaseTensor {
  const columns = tensor.shape[1] ?? 1;
  const { readGrid } = tensor;
  return {
    shape: [rows.length, columns],
    sourceBits: tensor.sourceBits,
    readFloat32: () => taken(tensor.readFloat32(), rows, columns),
    readGrid:
      readGrid === null
        ? null
        : () => {
            const { bits, codes, scales, mins } = readGrid();
            const blocks = columns / BLOCK_SIZE;
            return {
              bits,
              codes: taken(codes, rows, columns),
              scales: taken(scales, rows, blocks),
              mins: taken(mins, rows, blocks),
            };
          },
  };
}

/** values [all, width] → [rows, width] */
function taken<T extends Float32Array | Uint8Array>(values: T, rows: Int32Array, width: number): T {
  const out = values.slice(0, rows.length * width) as T; // slice keeps the array's type
  rows.forEach((from, row) => {
    out.set(values.subarray(from * width, (from + 1) * width), row * width);
  });
  return out;
}
