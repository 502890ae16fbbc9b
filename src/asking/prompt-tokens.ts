// Encodes prompts with a limit, so that one far beyond the context length is rejected cheaply, with the field that has it.

import { MagdiError } from "../base/errors.ts";
import { promptTooLong } from "../engine/request.ts";
import { TooManyTokensError } from "../text/token-limit.ts";

/**
 * Calls `encode` with the context length as its limit.
 *
 * @param promptParam the request's field with the prompt, or a part of one such as prompt[3]
 * @throws MagdiError MAGDI_CONTEXT_LENGTH if `encode` reached the limit
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

/** Errors of `call` about promptTokens, the engine's field, are rethrown about `promptParam`, the request's. */
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
