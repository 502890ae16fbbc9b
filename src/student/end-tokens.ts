// The tokens that end a student's answer, as generation_config.json and config.json name them.

import { MagdiError } from "../base/errors.ts";
import { shown } from "../base/files/json-file.ts";
import type { KnownField } from "../base/known-fields.ts";
import type { BaseModel } from "./base-model.ts";
import type { ConfigJson } from "./config-json.ts";

/** Of generation_config.json; the other fields are sampling, which is the request's. */
export const GENERATION_FIELDS: readonly KnownField[] = [
  {
    names: "eos_token_id",
    treatment: "honoured",
    about: "one or several; over that of config.json; without a token that the model has, refused",
  },
  { names: "*", treatment: "ignored", about: "sampling and lengths are the request's" },
];

interface Named {
  readonly file: string;
  readonly ids: readonly unknown[];
}

/** eos_token_id of each file that has one; the first counts. */
function namedIn(generation: ConfigJson, config: ConfigJson): Named[] {
  const files = { "generation_config.json": generation, "config.json": config };
  return Object.entries(files).flatMap(([file, { eos_token_id: value }]) => {
    if (value === undefined || value === null) return [];
    return [{ file, ids: Array.isArray(value) ? value : [value] }];
  });
}

/** Those below `vocabSize`: a model never says the others. */
export function endTokens(
  generation: ConfigJson,
  config: ConfigJson,
  vocabSize: number,
): ReadonlySet<number> {
  const [first] = namedIn(generation, config);
  return new Set((first?.ids ?? []).filter((id): id is number => isWhole(id) && id >= 0 && id < vocabSize));
}

const isWhole = (id: unknown): id is number => typeof id === "number" && Number.isInteger(id);

/** Notes on end tokens that the model does not have; −1 is some files' word for none.
 * @throws MAGDI_BAD_FILE when the file that counts names others than ids, or such tokens alone */
export function checkEndTokens({ source, generationConfig, configJson, config }: BaseModel): string[] {
  const { vocabSize } = config;
  return namedIn(generationConfig, configJson).flatMap(({ file, ids }, index) => {
    const where = `${source}: ${file}: eos_token_id`;
    const other = ids.find((id) => !isWhole(id));
    if (other !== undefined) {
      throw new MagdiError("MAGDI_BAD_FILE", `${where}: expected token ids, found ${shown(other)}`);
    }
    const beyond = ids.filter((id) => Number(id) >= vocabSize);
    if (beyond.length === 0) return [];
    if (index === 0 && endTokens(generationConfig, configJson, vocabSize).size === 0) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${where}: expected ids below ${vocabSize}, the rows of the embedding, found ${beyond.join(", ")}: answers would never end; correct the file`,
      );
    }
    return [
      `${file}: eos_token_id ${beyond.join(", ")} is beyond the ${vocabSize} rows of the embedding and never said.`,
    ];
  });
}
