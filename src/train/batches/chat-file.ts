// Reads plain fine-tuning data: conversations, pairs of prompt and completion, or texts, a JSON record each, as TRL's SFTTrainer
// takes them. It knows no tokens.

import { z } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { checked, isObject } from "../../base/files/json-file.ts";
import { readJsonRecords } from "../../base/files/json-records.ts";

const message = z.looseObject({ role: z.string().min(1), content: z.string() });
/** Further fields are texts, numbers or flags, which a template may look at. */
export type ChatMessage = z.infer<typeof message>;
const messages = z.array(message).min(1);
const variables = z.record(z.string(), z.unknown()).nullish();

/** What is learned: all of it, or the completion alone. */
export type ChatExample = {
  /** FILE:LINE. */
  readonly id: string;
  /** What examples of one question have in common, for the split of training and validation. */
  readonly question: string;
  /** Variables of the chat template, such as enable_thinking. */
  readonly variables: Readonly<Record<string, unknown>>;
} & (
  | { readonly kind: "messages"; readonly messages: readonly ChatMessage[] }
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "completed messages";
      readonly prompt: readonly ChatMessage[];
      readonly completion: readonly ChatMessage[];
    }
  | { readonly kind: "completed text"; readonly prompt: string; readonly completion: string }
);

/** Of the fields that change what TRL would learn, those that are not read. */
const REFUSED = ["tools", "images", "image", "videos", "input_ids", "labels", "chosen", "rejected"];

/** The examples of a file, in order. @throws MAGDI_FILE_MISSING; MAGDI_BAD_FILE, MAGDI_UNSUPPORTED naming file, line and field
 * @example
 *   // {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
 *   // {"prompt": "2+2?", "completion": " 4"}
 *   const examples = await loadChatExamples("chats.jsonl"); */
export async function loadChatExamples(file: string): Promise<ChatExample[]> {
  const examples: ChatExample[] = [];
  for await (const { where, value } of readJsonRecords(file)) examples.push(exampleOf(value, where));
  return examples;
}

function exampleOf(value: unknown, where: string): ChatExample {
  if (!isObject(value)) throw notRead(where);
  for (const field of REFUSED) {
    if (isSet(value[field])) throw unsupported(where, field);
  }
  const record = renamed(value);
  const { chat_template_kwargs: given } = checked(
    z.looseObject({ chat_template_kwargs: variables }),
    record,
    where,
  );
  const common = { id: where, variables: given ?? {} };
  const { prompt, completion, text } = record;
  if (typeof prompt === "string" && typeof completion === "string") {
    return { ...common, kind: "completed text", question: prompt, prompt, completion };
  }
  if (Array.isArray(prompt) && Array.isArray(completion)) {
    const [asked, answered] = [
      conversation(prompt, `${where}: prompt`),
      conversation(completion, `${where}: completion`),
    ];
    const question = textOf(asked);
    return { ...common, kind: "completed messages", question, prompt: asked, completion: answered };
  }
  if (isThere(record.messages)) {
    const all = conversation(record.messages, `${where}: messages`);
    const last = all.findLastIndex(({ role }) => role === "assistant");
    const asked = last < 0 ? all : all.slice(0, last);
    return { ...common, kind: "messages", question: textOf(asked), messages: all };
  }
  if (!isThere(prompt) && !isThere(completion) && typeof text === "string") {
    return { ...common, kind: "text", question: text, text };
  }
  throw notRead(where);
}

const isThere = (value: unknown): boolean => value !== undefined && value !== null;

const isSet = (value: unknown): boolean => isThere(value) && !(Array.isArray(value) && value.length === 0);

const textOf = (asked: readonly ChatMessage[]): string =>
  asked.map(({ role, content }) => `${role}: ${content}`).join("\n");

/** Conversations of the older names, from and value, as TRL renames them. */
function renamed(record: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { conversations, ...others } = record;
  const messages = record.messages ?? conversations;
  const inList = (list: unknown): unknown =>
    !Array.isArray(list)
      ? list
      : list.map((one: unknown) => {
          if (!isObject(one)) return one;
          const { from, value, ...rest } = one;
          return {
            ...rest,
            ...(from === undefined ? {} : { role: from }),
            ...(value === undefined ? {} : { content: value }),
          };
        });
  return {
    ...others,
    ...(messages === undefined ? {} : { messages: inList(messages) }),
    ...(record.prompt === undefined ? {} : { prompt: inList(record.prompt) }),
    ...(record.completion === undefined ? {} : { completion: inList(record.completion) }),
  };
}

function conversation(value: unknown, where: string): ChatMessage[] {
  return checked(messages, value, where).map((one, index) => {
    const fields = Object.entries(one).filter(([, field]) => isSet(field));
    const deep = fields.find(([, field]) => typeof field === "object");
    if (deep !== undefined) throw unsupported(`${where}[${index}]`, deep[0]);
    return { ...Object.fromEntries(fields), role: one.role, content: one.content };
  });
}

function unsupported(where: string, field: string): MagdiError {
  return new MagdiError(
    "MAGDI_UNSUPPORTED",
    `${where}: ${field}: is not read in fine-tuning data; take such records out, or write them as text`,
  );
}

function notRead(where: string): MagdiError {
  return new MagdiError(
    "MAGDI_BAD_FILE",
    `${where}: expected messages (a list of role and content), prompt and completion (both texts or both lists of messages), or text`,
  );
}
