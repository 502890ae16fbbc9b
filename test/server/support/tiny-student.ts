// A student for the server's tests: the real engine, tokenizer and chat template around the scripted model.
import type { Clock } from "../../../src/base/clock.ts";
import { Engine } from "../../../src/engine/engine.ts";
import type { StepReport } from "../../../src/engine/request.ts";
import type { ServedStudent } from "../../../src/server/served-student.ts";
import { createChatTemplate } from "../../../src/text/chat-template.ts";
import { createTokenizer } from "../../../src/text/tokenizer.ts";
import { END_OF_TEXT, IM_END, IM_START, ScriptedRunner } from "./scripted-runner.ts";

const special = (id: number, content: string) => ({
  id,
  content,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
});

const TOKENIZER = {
  added_tokens: [
    special(END_OF_TEXT, "<|endoftext|>"),
    special(IM_START, "<|im_start|>"),
    special(IM_END, "<|im_end|>"),
  ],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel" },
  model: { type: "BPE", vocab: Object.fromEntries(byteAlphabet()), merges: [] },
};

/** GPT-2's characters for the 256 bytes, each with its byte as id. */
function byteAlphabet(): [string, number][] {
  let substitute = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return [String.fromCharCode(printable ? byte : substitute++), byte];
  });
}

const TEMPLATE =
  "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}" +
  "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

export interface TinyStudent extends ServedStudent {
  readonly engine: Engine;
  readonly runner: ScriptedRunner;
}

export interface TinyStudentOptions {
  readonly maxRows?: number;
  readonly contextLength?: number;
  readonly maxWaitingSamples?: number;
  readonly prefixCacheTokens?: number;
  readonly clock?: Clock;
  readonly onStep?: (report: StepReport) => void;
}

export function tinyStudent(options: TinyStudentOptions = {}): TinyStudent {
  const { maxRows, contextLength, maxWaitingSamples, prefixCacheTokens, clock, onStep } = options;
  const runner = new ScriptedRunner({
    ...(maxRows === undefined ? {} : { maxRows }),
    ...(contextLength === undefined ? {} : { contextLength }),
  });
  const tokenizer = createTokenizer(TOKENIZER, { eos_token: "<|im_end|>" }, "tiny tokenizer");
  const engine = new Engine({
    runner,
    tokenizer,
    eosTokenIds: new Set([IM_END, END_OF_TEXT]),
    ...(maxWaitingSamples === undefined ? {} : { maxWaitingSamples }),
    ...(prefixCacheTokens === undefined ? {} : { prefixCacheTokens }),
    ...(clock === undefined ? {} : { clock }),
    ...(onStep === undefined ? {} : { onStep }),
  });
  return {
    id: "tiny",
    engine,
    runner,
    tokenizer,
    chatTemplate: createChatTemplate(TEMPLATE, {}, "tiny template"),
    manifest: { base: "scripted" },
    created: 1_700_000_000,
  };
}
