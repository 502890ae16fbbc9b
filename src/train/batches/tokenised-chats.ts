// Tokenises plain fine-tuning data as TRL's SFTTrainer does by default: of prompt and completion the completion is learned, of
// conversations and texts every token.

import type { ChatExample, ChatMessage } from "./chat-file.ts";
import {
  MIN_COMPLETION,
  noCounts,
  type StudentText,
  type TokeniseCounts,
  type TokeniseOptions,
} from "./tokenised-mags.ts";
import type { TrainingUnit } from "./training-unit.ts";

export interface TokenisedChats {
  readonly units: TrainingUnit[];
  readonly counts: TokeniseCounts;
  /** Examples whose prompt, with the completion after it, is tokenised otherwise at its end than alone. */
  readonly promptsRejoined: number;
}

/** Each example as a unit of one row. Special tokens' texts in messages are text; in plain texts and prompts, which may have
 * been through a template, they are those tokens.
 * @throws MAGDI_BAD_REQUEST when the chat template refuses a conversation */
export function tokeniseChats(
  examples: readonly ChatExample[],
  student: StudentText,
  { maxTokens, tooLong = "cut" }: Pick<TokeniseOptions, "maxTokens" | "tooLong">,
): TokenisedChats {
  const counts = noCounts();
  let promptsRejoined = 0;
  const units = examples.flatMap((example): TrainingUnit[] => {
    const { tokens, prompt } = tokensOf(example, student);
    const shared = commonPrefix(prompt, tokens);
    const learned = tokens.subarray(0, maxTokens);
    const isLong = tokens.length > maxTokens;
    // The first token has nothing before it that it could be learned from.
    const promptLength = Math.max(1, shared);
    if (isLong && prompt.length > 0 && shared + MIN_COMPLETION > maxTokens) {
      counts.promptsTooLong += 1;
      return [];
    }
    if (learned.length <= promptLength || (isLong && tooLong === "drop")) {
      counts.rowsDropped += 1;
      return [];
    }
    if (isLong) {
      counts.rowsCut += 1;
      counts.tokensCut += tokens.length - maxTokens;
    }
    if (shared < prompt.length) promptsRejoined += 1;
    counts.items += 1;
    counts.rows += 1;
    counts.tokens += learned.length;
    return [{ id: example.id, rows: [{ tokenIds: learned, promptLength, label: 1 }], edges: [] }];
  });
  return { units, counts, promptsRejoined };
}

interface Tokens {
  readonly tokens: Int32Array;
  /** Empty where everything is learned. */
  readonly prompt: Int32Array;
}

function tokensOf(example: ChatExample, student: StudentText): Tokens {
  const { variables } = example;
  const chat = (messages: readonly ChatMessage[], addGenerationPrompt: boolean): Int32Array => {
    const { tokenizer, chatTemplate } = student;
    const quote = (value: unknown): unknown =>
      typeof value === "string" ? tokenizer.quoteSpecial(value) : value;
    const quoted = messages.map(({ role, content, ...others }) => ({
      ...Object.fromEntries(Object.entries(others).map(([field, value]) => [field, quote(value)])),
      role,
      content: tokenizer.quoteSpecial(content),
    }));
    const text = chatTemplate.render(quoted, { addGenerationPrompt, variables });
    return tokenizer.encode(text, { addSpecialTokens: false, quoted: true });
  };
  const plain = (text: string): Int32Array => student.tokenizer.encode(text, { addSpecialTokens: true });
  switch (example.kind) {
    case "messages":
      return { tokens: chat(example.messages, false), prompt: NONE };
    case "text":
      return { tokens: ended(plain(example.text), student), prompt: NONE };
    case "completed messages":
      return {
        tokens: chat([...example.prompt, ...example.completion], false),
        prompt: chat(example.prompt, true),
      };
    case "completed text":
      return {
        tokens: ended(plain(example.prompt + example.completion), student),
        prompt: plain(example.prompt),
      };
  }
}

const NONE = new Int32Array(0);

/** With the token that ends an answer, once. */
const ended = (tokens: Int32Array, { endTokenId }: StudentText): Int32Array =>
  tokens.at(-1) === endTokenId ? tokens : Int32Array.of(...tokens, endTokenId);

function commonPrefix(prompt: Int32Array, tokens: Int32Array): number {
  const differs = prompt.findIndex((token, index) => token !== tokens[index]);
  return differs < 0 ? prompt.length : differs;
}
