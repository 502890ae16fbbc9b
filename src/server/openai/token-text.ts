// How single tokens are shown to clients. It knows no response's shape.
import type { Tokenizer } from "../../text/tokenizer.ts";

/** The token's text; bytes that are no whole characters by themselves are escaped, as OpenAI does: `\xf0\x9f`. */
export function shownToken(tokenizer: Tokenizer, id: number): string {
  return shown(tokenizer, id, "");
}

/** The same as OpenAI's older completions show it: `bytes:\xf0\x9f`. */
export function shownTextToken(tokenizer: Tokenizer, id: number): string {
  return shown(tokenizer, id, "bytes:");
}

function shown(tokenizer: Tokenizer, id: number, prefix: string): string {
  const text = tokenizer.tokenText(id);
  if (!text.includes("\ufffd")) return text;
  const bytes = tokenizer.tokenBytes(id);
  // The replacement character may be what the token says.
  if (Buffer.from(text).equals(bytes)) return text;
  return prefix + Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}
