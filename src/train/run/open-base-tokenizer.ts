// Opens what a base's text is tokenised with: tokenizer, chat template and the token that ends an answer.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { MagdiError } from "../../base/errors.ts";
import { OTHER_SCRATCH, writing } from "../../base/files/write-errors.ts";
import type { BaseModel } from "../../student/base-model.ts";
import { checkEndTokens, endTokens } from "../../student/end-tokens.ts";
import { openChatTemplate, plainChatTemplate } from "../../text/chat-template.ts";
import { assertPromptsHaveRows, withinRows } from "../../text/token-rows.ts";
import { openTokenizer } from "../../text/tokenizer.ts";
import { endTokenOf, type StudentText } from "../batches/tokenised-mags.ts";

/** Its tokenizer throws MAGDI_BAD_FILE for a text with a token that the embedding has no row for.
 * @throws MAGDI_FILE_MISSING when the base has no tokenizer, MAGDI_BAD_FILE when it names no end token or its prompts have
 * tokens without a row, MAGDI_NOT_WRITTEN. */
export async function studentText(base: BaseModel): Promise<StudentText> {
  if (!base.textFiles.has("tokenizer.json")) {
    throw new MagdiError(
      "MAGDI_FILE_MISSING",
      `${base.source}: expected a base with tokenizer.json, found none`,
    );
  }
  // Tokenizer and template are opened from a folder, but a base may be a single file.
  const parent = tmpdir();
  const writes = <T>(write: () => T): T => writing(parent, write, OTHER_SCRATCH);
  const folder = writes(() => mkdtempSync(path.join(parent, "magdi-text-")));
  try {
    for (const [name, text] of base.textFiles) writes(() => writeFileSync(path.join(folder, name), text));
    const [tokenizer, template] = await Promise.all([openTokenizer(folder), openChatTemplate(folder)]);
    const chatTemplate = template ?? plainChatTemplate;
    const { vocabSize } = base.config;
    checkEndTokens(base);
    assertPromptsHaveRows({ tokenizer, chatTemplate }, vocabSize, base.source);
    const ends = endTokens(base.generationConfig, base.configJson, vocabSize);
    if (ends.size === 0) {
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${base.source}: expected eos_token_id in its configuration, found none`,
      );
    }
    return {
      tokenizer: withinRows(tokenizer, vocabSize),
      chatTemplate,
      hasRowlessTokens: tokenizer.vocabSize > vocabSize,
      endTokenId: endTokenOf(tokenizer, chatTemplate, ends),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
