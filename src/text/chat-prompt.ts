// From a conversation to the prompt's token ids. It knows no engine.

import type { ChatTemplate } from "./chat-template.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** The way between text and tokens of a student. */
export interface ChatSpeaker {
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
}

interface EncodeChatOptions {
  /** End with the beginning of an assistant's message. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Let the tokenizer add its own tokens to those that the template wrote. Default false: of them a prompt without a
   * template begins with what texts begin with (BOS), and does not end with what ends one. */
  readonly addSpecialTokens?: boolean;
  /** As the tokenizer's `encode` has it. */
  readonly atMost?: number;
}

/**
 * The prompt tokens of a conversation, up to where the assistant begins to speak: the same for who asks a student, who
 * trains it and who measures it.
 *
 * @throws TooManyTokensError for a long one that comes to more than `atMost`
 */
export function encodeChat(
  { chatTemplate, tokenizer }: ChatSpeaker,
  messages: readonly Message[],
  {
    addGenerationPrompt = true,
    addSpecialTokens = false,
    atMost = Number.POSITIVE_INFINITY,
  }: EncodeChatOptions = {},
): Int32Array {
  const rendered = messages.map(({ role, content }) => ({ role, content }));
  const prompt = chatTemplate.render(rendered, { addGenerationPrompt });
  const tokens = tokenizer.encode(prompt, { addSpecialTokens, atMost });
  // A template writes BOS itself; plain text has none.
  if (chatTemplate.source !== null || addSpecialTokens || tokenizer.startTokenIds.length === 0) return tokens;
  return Int32Array.of(...tokenizer.startTokenIds, ...tokens);
}
