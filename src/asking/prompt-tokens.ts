// From a prompt to token ids: one that is far too long is refused after little work, naming the field that holds it.

import { MagdiError } from "../base/errors.ts";
import { promptTooLong } from "../engine/request.ts";
import { TooManyTokensError } from "../text/token-limit.ts";

/**
 * What `encode` gives; it is told how many tokens at most are of use.
 *
 * @param promptParam the field that holds the prompt, or a part of one such as prompt[3]
 * @throws MagdiError MAGDI_CONTEXT_LENGTH when `encode` gave up on the prompt
 */
export function withinContext(
  { contextLength }: { readonly contextLength: number },
  promptParam: string,
  encode: (atMost: number) => Int32Array,
): Int32Array {
  return withPromptParam(promptParam, () => {
    try {
      return encode(contextLength);
    } catch (error) {
      if (!(error instanceof TooManyTokensError)) throw error;
      throw promptTooLong(error.atLeast, contextLength, "at least");
    }
  });
}

/** The engine's errors name promptTokens; the caller is told the field that it wrote. */
export function withPromptParam<T>(promptParam: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof MagdiError) || error.param !== "promptTokens") throw error;
    const param = promptParam.replace(/\[.*/, "");
    const message = param === promptParam ? error.message : `${promptParam}: ${error.message}`;
    throw new MagdiError(error.code, message, { param, details: error.details, cause: error });
  }
}
