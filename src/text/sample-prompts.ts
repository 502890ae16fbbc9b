// Prompts as a chat template writes them around sample conversations: what tokens a template needs.

import { MagdiError } from "../base/errors.ts";
import { type ChatSpeaker, encodeChat, type Message } from "./chat-prompt.ts";

/** The tokens of conversations of each shape about `content`, without those that the template refuses. */
export function samplePrompts(speaker: ChatSpeaker, content: string): Int32Array[] {
  const user: Message = { role: "user", content };
  const system: Message = { role: "system", content: "Hello" };
  const assistant: Message = { role: "assistant", content: "Hello" };
  return [[user], [system, user], [user, assistant, user]].flatMap((messages) => {
    try {
      return [encodeChat(speaker, messages)];
    } catch (error) {
      if (error instanceof MagdiError && error.code === "MAGDI_BAD_REQUEST") return [];
      throw error;
    }
  });
}
