// Encodes a conversation to the prompt's token ids with a student's chat template.

import type { ChatTemplate } from "./chat-template.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export interface ChatSpeaker {
  readonly tokenizer: Tokenizer;
  readonly chatTemplate: ChatTemplate;
}

interface EncodeChatOptions {
  /** End with the header of an assistant's message. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Let the tokenizer add its special tokens too. Default false: then a student without a template gets BOS only, and
   * others what their template writes. */
  readonly addSpecialTokens?: boolean;
  /** As in Tokenizer.encode. */
  readonly atMost?: number;
}

/**
 * The prompt tokens of a conversation, up to the assistant's next message: the same in serving, training and evaluation.
 * Only the template's own parts become special tokens: their texts in a message are text.
 *
 * @throws TooManyTokensError for a long conversation of more than `atMost` tokens
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
  const quoted = messages.map(({ role, content }) => ({ role, content: tokenizer.quoteSpecial(content) }));
  const prompt = chatTemplate.render(quoted, { addGenerationPrompt });
  const tokens = tokenizer.encode(prompt, { addSpecialTokens, atMost, quoted: true });
  // A template writes BOS itself; plain text has none.
  if (chatTemplate.source !== null || addSpecialTokens || tokenizer.startTokenIds.length === 0) return tokens;
  return Int32Array.of(...tokenizer.startTokenIds, ...tokens);
}
