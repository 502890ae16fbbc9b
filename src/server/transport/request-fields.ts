// Schema fields that several requests share, with their error messages.
import { z } from "zod";

const MAX_STOP_STRINGS = 4;
const MAX_STOP_CHARS = 256;
const MAX_LOGIT_BIASES = 1024;
export const MAX_TOP_LOGPROBS = 20;

/** The message "expected …, found …" for any issue of a field. */
function expecting(what: string) {
  return {
    error: (issue: { input?: unknown }) =>
      issue.input === undefined
        ? `required: expected ${what}`
        : `expected ${what}, found ${show(issue.input)}`,
  };
}

function show(value: unknown): string {
  if (typeof value === "number") return String(value);
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 59).replace(/[\uD800-\uDBFF]$/, "")}…` : text;
}

/** A string without lone surrogates, which tokenizers cannot encode. */
export function textField(what: string) {
  return z.string(expecting(what)).refine((text) => !/\p{Surrogate}/u.test(text), {
    error: "contains a lone surrogate, which is not a character",
  });
}

export function nonEmptyText(what: string) {
  return textField(what).refine((text) => text.trim() !== "", {
    error: `expected ${what}, found an empty one`,
  });
}

export function integerField(what: string, min: number, max: number) {
  const message = expecting(what);
  return z.number(message).int(message).min(min, message).max(max, message);
}

export function numberField(what: string, min: number, max: number) {
  const message = expecting(what);
  return z.number(message).min(min, message).max(max, message);
}

export function booleanField() {
  return z.boolean(expecting("true or false"));
}

export function choiceField<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, expecting(`one of ${values.join(", ")}`));
}

export const temperature = numberField("a number from 0 to 2", 0, 2).describe(
  "0 always takes the most likely token; higher values give more varied samples.",
);

export const topP = z
  .number(expecting("a number above 0 and at most 1"))
  .gt(0, expecting("a number above 0 and at most 1"))
  .max(1, expecting("a number above 0 and at most 1"))
  .describe("Sample from the smallest set of most likely tokens whose probabilities sum to at least this.");

export const topK = integerField("a whole number, 0 or more (0: all tokens)", 0, 1_000_000).describe(
  "Sample from the k most likely tokens; 0 means all.",
);

export const minP = numberField("a number from 0 to 1", 0, 1).describe(
  "Drop tokens whose probability is below this fraction of the most likely token's.",
);

export const maxTokens = integerField("a whole number, 1 or more", 1, 1_000_000_000).describe(
  "Maximum tokens of each sample; limited by what the prompt leaves of the context length.",
);

export const minTokens = integerField("a whole number, 0 or more", 0, 1_000_000_000).describe(
  "Minimum tokens of each sample.",
);

const seedMessage = expecting("a whole number from 0 to 2^63-1");

export const seed = z
  .number(seedMessage)
  .multipleOf(1, seedMessage)
  .min(0, seedMessage)
  // 2^63-1 as a JSON number becomes 2^63.
  .max(2 ** 63, seedMessage)
  .describe(
    "The same seed gives the same samples, whatever else is running. Up to 2^63-1; one above 2^53-1 stands for the smaller seed that is reported. Default: a random one, which is reported.",
  );

/** The greatest prime below 2^53. */
const SEED_MODULUS = 2n ** 53n - 111n;

/** The engine's seed, of 53 bits: a greater one is rounded to a double, as JSON numbers are, and taken modulo a prime. */
export function engineSeed(given: number): number {
  return given <= Number.MAX_SAFE_INTEGER ? given : Number(BigInt(given) % SEED_MODULUS);
}

export const tokenId = integerField("a token id", 0, 2 ** 31 - 1);

export function samplesField(maxSamples: number) {
  return integerField(`a whole number from 1 to ${maxSamples}, the server's maximum`, 1, maxSamples).describe(
    "Number of samples for each prompt.",
  );
}

const stopString = textField("a text")
  .min(1, "expected a text that is not empty")
  .max(MAX_STOP_CHARS, `expected at most ${MAX_STOP_CHARS} characters`);

export const stop = z
  .union(
    [
      stopString,
      z
        .array(stopString, expecting("a text, or a list of up to 4 texts"))
        .max(MAX_STOP_STRINGS, `expected at most ${MAX_STOP_STRINGS} stop texts`),
    ],
    { error: `expected a text that is not empty, or a list of up to ${MAX_STOP_STRINGS} of them` },
  )
  .describe("Strings that end a sample; not included in its text. An empty list is none.");

export const logitBias = z
  .record(
    z.string(),
    numberField("a number from -100 to 100", -100, 100),
    expecting("an object of token ids and biases"),
  )
  .refine((biases) => Object.keys(biases).length <= MAX_LOGIT_BIASES, {
    error: `expected at most ${MAX_LOGIT_BIASES} tokens`,
  })
  .describe("Token ids with a number that is added to the token's logit.");

export const modelName = textField("the name of a served model").describe(
  "The served model's id from GET /v1/models. Default: the served model.",
);

export const stream = booleanField().describe("Stream the answer as server-sent events.");

/** The field, or null for absent as OpenAI's clients send it; keeps the description. */
export function orNull<T extends z.ZodType>(field: T) {
  return field.nullish().describe(field.description ?? "");
}
