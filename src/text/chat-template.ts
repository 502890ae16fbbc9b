// A student's chat template: renders messages to the prompt text that the model was trained on.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { parse, tokenize } from "@huggingface/jinja";
import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, parseJson, readJsonObjectIfThere } from "../base/files/json-file.ts";
import { readRegularText } from "../base/files/regular-file.ts";
import { TimeLimitError, withinTime } from "../base/time-limit.ts";
import { interpret, type TemplateNode } from "./bounded-interpreter.ts";
import { TemplateBudget, TemplateBudgetError } from "./template-budget.ts";
import { specialTokenVariables } from "./tokenizer-json.ts";

/** Those of published models have some ten thousand. */
const MAX_SOURCE_CHARACTERS = 2 ** 18;
/** The library takes time quadratic in a run of white space. */
const MAX_BLANK_RUN = 1024;
const PARSE_MS = 2000;
/** What a message counts besides its text. */
const MESSAGE_CHARACTERS = 32;
const MAX_REASON = 500;

interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly [field: string]: unknown;
}

interface RenderOptions {
  /** Whether the text ends with the header of an assistant's message. */
  readonly addGenerationPrompt: boolean;
  /** Further template variables, such as Qwen3's enable_thinking. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface ChatTemplate {
  /**
   * The prompt's text, for encodeChat. It contains the special tokens that the template writes, BOS among them; plain
   * concatenation writes none. Messages are not escaped: encodeChat quotes special tokens' texts in them.
   * @throws MAGDI_BAD_REQUEST (param "messages") with the template's message when it raises an exception
   */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
  /** The template's Jinja source; null for plain concatenation. */
  readonly source: string | null;
}

/**
 * The template of `folder`: chat_template.jinja, else tokenizer_config.json's chat_template (of several, "default").
 * Null when the folder has none: see plainChatTemplate.
 * @throws MAGDI_BAD_FILE when the template is not Jinja, MAGDI_UNSUPPORTED when none of several is "default"
 */
export async function openChatTemplate(folder: string): Promise<ChatTemplate | null> {
  const config = readJsonObjectIfThere(join(folder, "tokenizer_config.json"), { within: folder });
  const path = join(folder, "chat_template.jinja");
  return chosenTemplate(existsSync(path) ? readRegularText(path, { within: folder }) : null, config, folder);
}

/** The same of files that are in memory, by name; plain concatenation when they have none. */
export function chatTemplateOf(files: ReadonlyMap<string, string>, origin: string): ChatTemplate {
  const config = parseJson(files.get("tokenizer_config.json") ?? "{}", join(origin, "tokenizer_config.json"));
  const source = files.get("chat_template.jinja") ?? null;
  return chosenTemplate(source, isObject(config) ? config : {}, origin) ?? plainChatTemplate;
}

function chosenTemplate(jinja: string | null, config: JsonObject, folder: string): ChatTemplate | null {
  if (jinja !== null) return createChatTemplate(jinja, config, join(folder, "chat_template.jinja"));
  const origin = join(folder, "tokenizer_config.json");
  return createConfiguredTemplate(config, origin);
}

/** The template in a tokenizer_config.json; null when it has none. @throws as openChatTemplate */
export function createConfiguredTemplate(config: JsonObject, origin: string): ChatTemplate | null {
  const configured = configuredTemplate(config.chat_template, origin);
  return configured === null ? null : createChatTemplate(configured, config, `${origin} (chat_template)`);
}

/**
 * A template from its source, which is tried on a few short conversations.
 * @example
 *   createChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}", {}, "example")
 *     .render([{ role: "user", content: "Hello" }], { addGenerationPrompt: true }); // "Hello"
 * @throws MAGDI_BAD_FILE when it is not Jinja, or takes more than a template may: see TemplateBudget
 */
export function createChatTemplate(source: string, config: JsonObject, origin: string): ChatTemplate {
  const template = parsed(source, origin);
  const specialTokens = specialTokenVariables(config);
  const rendered = (messages: readonly ChatMessage[], options: RenderOptions): string => {
    const characters = messages.map(({ role, content }) => MESSAGE_CHARACTERS + role.length + content.length);
    const budget = new TemplateBudget(
      messages.length,
      characters.reduce((sum, count) => sum + count, 0),
    );
    const variables = {
      ...specialTokens,
      tools: null,
      documents: null,
      ...options.variables,
      messages,
      add_generation_prompt: options.addGenerationPrompt,
    };
    return interpret(template, variables, budget);
  };
  for (const messages of TRIED_CONVERSATIONS) {
    try {
      rendered(messages, { addGenerationPrompt: true });
    } catch (cause) {
      // It may well refuse a conversation, by raise_exception.
      if (cause instanceof TemplateBudgetError) throw unbounded(origin, cause.message, cause);
    }
  }
  return {
    source,
    render(messages, options) {
      try {
        return rendered(messages, options);
      } catch (cause) {
        throw new MagdiError(
          "MAGDI_BAD_REQUEST",
          `messages: the chat template cannot render them: ${reasonOf(cause)}`,
          {
            param: "messages",
            cause,
          },
        );
      }
    },
  };
}

const TRIED_CONVERSATIONS: readonly (readonly ChatMessage[])[] = [
  ["user"],
  ["system", "user"],
  ["user", "assistant", "user"],
].map((roles) => roles.map((role) => ({ role, content: "What is 2 + 2?\n\n- 4\n- 5" })));

/** @throws MAGDI_BAD_FILE */
function parsed(source: string, origin: string): TemplateNode {
  if (source.length > MAX_SOURCE_CHARACTERS) {
    throw unbounded(origin, `has ${source.length} characters, at most ${MAX_SOURCE_CHARACTERS} are expected`);
  }
  const blanks = longestBlankRun(source);
  if (blanks > MAX_BLANK_RUN) {
    throw unbounded(
      origin,
      `has ${blanks} characters of white space in a row, at most ${MAX_BLANK_RUN} are expected`,
    );
  }
  try {
    // As the library's own Template does it.
    return withinTime(PARSE_MS, () => parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })));
  } catch (cause) {
    if (cause instanceof TimeLimitError) throw unbounded(origin, `is not parsed in ${PARSE_MS} ms`, cause);
    throw new MagdiError(
      "MAGDI_BAD_FILE",
      `${origin}: expected a Jinja template: ${cause instanceof RangeError ? reasonOf(cause) : cut(String(cause))}`,
      {
        cause,
      },
    );
  }
}

function unbounded(origin: string, what: string, cause?: unknown): MagdiError {
  return new MagdiError(
    "MAGDI_BAD_FILE",
    `${origin}: the chat template ${what}; use a template of the model's publisher`,
    { cause },
  );
}

/** raise_exception and the interpreter throw an Error that says what is wrong with the messages. */
function reasonOf(cause: unknown): string {
  if (cause instanceof TemplateBudgetError) return `it ${cause.message}`;
  if (cause instanceof RangeError) return "it nests too deeply, or makes too long a text";
  return cut(cause instanceof Error ? cause.message : String(cause));
}

const cut = (reason: string): string =>
  reason.length > MAX_REASON ? `${reason.slice(0, MAX_REASON - 1)}…` : reason;

function longestBlankRun(source: string): number {
  let longest = 0;
  let start = 0;
  for (let at = 0; at < source.length; at++) {
    const isBlank = source[at]!.trim() === "";
    if (!isBlank) start = at + 1;
    else longest = Math.max(longest, at + 1 - start);
  }
  return longest;
}

/** For a student without a template: the contents joined by empty lines, without roles. */
export const plainChatTemplate: ChatTemplate = {
  source: null,
  render: (messages) => messages.map((message) => message.content).join("\n\n"),
};

function configuredTemplate(configured: unknown, origin: string): string | null {
  if (configured === undefined || configured === null) return null;
  if (typeof configured === "string") return configured;
  const templates = new Map<string, string>();
  const named: unknown[] = Array.isArray(configured)
    ? configured
    : Object.entries(configured).map(([name, template]) => ({ name, template }));
  for (const entry of named) {
    if (!isObject(entry)) continue;
    const { name, template } = entry;
    if (typeof name === "string" && typeof template === "string") templates.set(name, template);
  }
  const chosen = templates.get("default");
  if (chosen !== undefined) return chosen;
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${origin}: chat_template has no template named "default", found ${[...templates.keys()].join(", ") || "none"}`,
  );
}
