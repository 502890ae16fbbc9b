// From a request's prompts to token ids, in little time even for those that are far too long. It knows neither
// templates nor routes.
import { promptTooLong } from "../../engine/request.ts";
import { TooManyTokensError } from "../../text/token-limit.ts";
import { withPromptParam } from "../generation-run.ts";
import type { ServedStudent } from "../served-student.ts";

/**
 * What `encode` gives, told how many tokens at most are of use.
 *
 * @param promptParam the field that holds the prompt, or a part of one such as prompt[3]
 * @throws MagdiError MAGDI_CONTEXT_LENGTH for a prompt that was given up
 */
export function withinContext(
  student: ServedStudent,
  promptParam: string,
  encode: (atMost: number) => Int32Array,
): Int32Array {
  const { contextLength } = student.engine;
  return withPromptParam(promptParam, () => {
    try {
      return encode(contextLength);
    } catch (error) {
      if (!(error instanceof TooManyTokensError)) throw error;
      throw promptTooLong(error.atLeast, contextLength, "at least");
    }
  });
}

/** Encodes one prompt of a batch after another; everybody else has a turn between two. */
export async function encodeBatch<Prompt>(
  prompts: readonly Prompt[],
  encode: (prompt: Prompt, index: number) => Int32Array,
): Promise<Int32Array[]> {
  const encoded: Int32Array[] = [];
  for (const [index, prompt] of prompts.entries()) {
    if (index > 0) await new Promise(setImmediate);
    encoded.push(encode(prompt, index));
  }
  return encoded;
}
