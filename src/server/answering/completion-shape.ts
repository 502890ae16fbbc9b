// How chat and text completions look on OpenAI's wire: choices, deltas and log-probabilities. It knows neither
// engine nor transport.
import type { SampleResult, TokenLogprob } from "../../engine/request.ts";
import type { Tokenizer } from "../../text/tokenizer.ts";
import type { ApiFinishReason } from "./finish.ts";

export interface CompletionShape {
  readonly idPrefix: string;
  readonly object: string;
  readonly chunkObject: string;
  /** A whole choice. */
  choice(index: number, sample: SampleResult, finishReason: ApiFinishReason): object;
  /** The first delta of a choice, where there is one. */
  opening(index: number): object | null;
  delta(index: number, text: string, detail: TokenLogprob | null): object;
  closing(index: number, finishReason: ApiFinishReason): object;
}

/** Log-probabilities without end-of-sequence and other special tokens, so that they spell the text. */
class LogprobWriter {
  readonly #tokenizer: Tokenizer;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  visible(details: readonly TokenLogprob[]): TokenLogprob[] {
    return details.filter((detail) => !this.#tokenizer.specialTokenIds.has(detail.tokenId));
  }

  /** Chat's form: {content: [{token, logprob, bytes, top_logprobs}]}. */
  chat(details: readonly TokenLogprob[]): object {
    const token = (id: number, logprob: number) => ({
      token: this.#tokenizer.tokenText(id),
      logprob: jsonLogprob(logprob),
      bytes: [...this.#tokenizer.tokenBytes(id)],
    });
    const content = this.visible(details).map((detail) => ({
      ...token(detail.tokenId, detail.logprob),
      top_logprobs: detail.top.map((top) => token(top.tokenId, top.logprob)),
    }));
    return { content, refusal: null };
  }

  /** The older form, in columns; `offset` is the character that the first token begins at. */
  text(
    details: readonly TokenLogprob[],
    offset: number,
  ): { readonly logprobs: object; readonly end: number } {
    const visible = this.visible(details);
    const tokens = visible.map((detail) => this.#tokenizer.tokenText(detail.tokenId));
    const offsets: number[] = [];
    let end = offset;
    for (const token of tokens) {
      offsets.push(end);
      end += token.length;
    }
    const logprobs = {
      tokens,
      token_logprobs: visible.map((detail) => jsonLogprob(detail.logprob)),
      top_logprobs: visible.map((detail) =>
        Object.fromEntries(
          detail.top.map((top) => [this.#tokenizer.tokenText(top.tokenId), jsonLogprob(top.logprob)]),
        ),
      ),
      text_offset: offsets,
    };
    return { logprobs, end };
  }
}

/** JSON has no infinity; OpenAI and vLLM write a token that cannot be as -9999. */
function jsonLogprob(logprob: number): number {
  return Math.max(logprob, -9999);
}

export function chatShape(tokenizer: Tokenizer): CompletionShape {
  const writer = new LogprobWriter(tokenizer);
  const logprobs = (details: readonly TokenLogprob[] | null) =>
    details === null ? null : writer.chat(details);
  return {
    idPrefix: "chatcmpl",
    object: "chat.completion",
    chunkObject: "chat.completion.chunk",
    choice: (index, sample, finishReason) => ({
      index,
      message: { role: "assistant", content: sample.text, refusal: null },
      logprobs: logprobs(sample.logprobs),
      finish_reason: finishReason,
    }),
    opening: (index) => ({
      index,
      delta: { role: "assistant", content: "" },
      logprobs: null,
      finish_reason: null,
    }),
    delta: (index, text, detail) => ({
      index,
      delta: { content: text },
      logprobs: logprobs(detail === null ? null : [detail]),
      finish_reason: null,
    }),
    closing: (index, finishReason) => ({ index, delta: {}, logprobs: null, finish_reason: finishReason }),
  };
}

export function textShape(tokenizer: Tokenizer): CompletionShape {
  const writer = new LogprobWriter(tokenizer);
  const offsets = new Map<number, number>();
  return {
    idPrefix: "cmpl",
    object: "text_completion",
    chunkObject: "text_completion",
    choice: (index, sample, finishReason) => ({
      index,
      text: sample.text,
      logprobs: sample.logprobs === null ? null : writer.text(sample.logprobs, 0).logprobs,
      finish_reason: finishReason,
    }),
    opening: () => null,
    delta(index, text, detail) {
      if (detail === null) return { index, text, logprobs: null, finish_reason: null };
      const { logprobs, end } = writer.text([detail], offsets.get(index) ?? 0);
      offsets.set(index, end);
      return { index, text, logprobs, finish_reason: null };
    },
    closing: (index, finishReason) => ({ index, text: "", logprobs: null, finish_reason: finishReason }),
  };
}
