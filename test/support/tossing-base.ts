// A Hugging Face folder of a model that answers every chat with 4 or 5, either as likely, and ends.

import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { writeRandomBase } from "./random-base.ts";

const HIDDEN = 64;
/** The byte-level fixture's: a special token that no text has, which ends every prompt here, and the end of a message. */
const HEADER = 602;
const END = 2;
/** 4 and 5. */
const DIGITS = [22, 23];
const TEMPLATE =
  "{% for message in messages %}{{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}<tool>{% endif %}";

export function writeTossingBase(folder: string): void {
  writeRandomBase(folder, {
    tokenizer: true,
    config: { hidden_size: HIDDEN, tie_word_embeddings: false, max_position_embeddings: 4096 },
    change(name, values) {
      // Almost nothing but the last token counts: those of the answer have two directions to themselves, which the head
      // reads. What attention adds to the others is small, but enough to learn from.
      if (name.includes("down_proj")) values.fill(0);
      if (name.includes("o_proj"))
        for (const [at, value] of values.entries()) values[at] = at < 2 * HIDDEN ? 0 : value / 10;
      const isEmbedding = name.includes("embed_tokens");
      if (!isEmbedding && !name.includes("lm_head")) return;
      for (let at = 0; at < values.length; at += HIDDEN) values.fill(0, at, at + 2);
      const set = (token: number, direction: 0 | 1) => {
        if (isEmbedding) values.fill(0, token * HIDDEN, (token + 1) * HIDDEN);
        values[token * HIDDEN + direction] = 2;
      };
      set(isEmbedding ? HEADER : END, isEmbedding ? 0 : 1);
      for (const digit of DIGITS) set(digit, isEmbedding ? 1 : 0);
    },
  });
  const file = path.join(folder, "tokenizer_config.json");
  const config: object = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...config, chat_template: TEMPLATE }));
}
