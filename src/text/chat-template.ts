// A student's chat template: renders messages to the prompt text that the model was trained on.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { MagdiError } from "../base/errors.ts";
import { isObject, type JsonObject, readJsonObjectIfThere } from "../base/files/json-file.ts";
import { specialTokenVariables } from "./tokenizer-json.ts";

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
  const config = readJsonObjectIfThere(join(folder, "tokenizer_config.json"));
  return chosenTemplate(await readText(join(folder, "chat_template.jinja")), config, folder);
}

/** The same of files that are in memory, by name; plain concatenation when they have none. */
export function chatTemplateOf(files: ReadonlyMap<string, string>, origin: string): ChatTemplate {
  const config: unknown = JSON.parse(files.get("tokenizer_config.json") ?? "{}");
  const source = files.get("chat_template.jinja") ?? null;
  return chosenTemplate(source, isObject(config) ? config : {}, origin) ?? plainChatTemplate;
}

function chosenTemplate(jinja: string | null, config: JsonObject, folder: string): ChatTemplate | null {
  if (jinja !== null) return createChatTemplate(jinja, config, join(folder, "chat_template.jinja"));
  const origin = join(folder, "tokenizer_config.json");
  const configured = configuredTemplate(config.chat_template, origin);
  return configured === null ? null : createChatTemplate(configured, config, `${origin} (chat_template)`);
}

/**
 * A template from its source.
 * @example
 *   createChatTemplate("{% for m in messages %}{{ m.content }}{% endfor %}", {}, "example")
 *     .render([{ role: "user", content: "Hello" }], { addGenerationPrompt: true }); // "Hello"
 */
export function createChatTemplate(source: string, config: JsonObject, origin: string): ChatTemplate {
  let template: Template;
  try {
    template = new Template(source);
  } catch (cause) {
    throw new MagdiError("MAGDI_BAD_FILE", `${origin}: expected a Jinja template: ${String(cause)}`, {
      cause,
    });
  }
  const specialTokens = specialTokenVariables(config);
  return {
    source,
    render(messages, options) {
      try {
        return template.render({
          ...specialTokens,
          tools: null,
          documents: null,
          ...options.variables,
          messages,
          add_generation_prompt: options.addGenerationPrompt,
        });
      } catch (cause) {
        // Both raise_exception and the interpreter throw an Error that says what is wrong with the messages.
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new MagdiError(
          "MAGDI_BAD_REQUEST",
          `messages: the chat template cannot render them: ${reason}`,
          {
            param: "messages",
            cause,
          },
        );
      }
    },
  };
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

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return null;
    throw new MagdiError("MAGDI_BAD_FILE", `${path}: cannot be read: ${String(cause)}`, { cause });
  }
}
