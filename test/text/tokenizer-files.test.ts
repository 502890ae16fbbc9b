// Tokenizer files that say things in different places: what Transformers makes of them, or refused by name.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import type { JsonObject } from "../../src/base/files/json-file.ts";
import { readHuggingFaceTexts } from "../../src/student/hugging-face-base.ts";
import { chatTemplateOf } from "../../src/text/chat-template.ts";
import { createTokenizer } from "../../src/text/tokenizer.ts";
import { specialTokenVariables } from "../../src/text/tokenizer-json.ts";
import { readFixture, withFolder } from "./tokenizer-fixtures.ts";

interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, JsonObject | string>>;
  readonly tokenizer: JsonObject;
  readonly ids: readonly (readonly number[])[];
  readonly names: JsonObject;
  readonly special: readonly number[];
  readonly rendered: string;
}

const recorded = await readFixture<{ texts: readonly string[]; cases: readonly Case[] }>(
  "files/expected.json",
);
const definition = await readFixture<JsonObject>("byte-level/tokenizer.json");

/** Ids that the tokenizers library does not give. */
const REFUSED = new Set(["decoder with a gap", "added_tokens.json with another id"]);

for (const { name, files, tokenizer: changed, ids, names, special, rendered } of recorded.cases) {
  test(name, async () => {
    const texts = Object.entries(files).map(([file, content]) => [
      file,
      typeof content === "string" ? content : JSON.stringify(content),
    ]);
    const written = {
      "tokenizer.json": JSON.stringify({ ...definition, ...changed }),
      ...Object.fromEntries(texts),
    };
    await withFolder(written, async (folder) => {
      writeFileSync(path.join(folder, "config.json"), "{}");
      const { textFiles } = readHuggingFaceTexts(folder);
      const json = (file: string): JsonObject => JSON.parse(textFiles.get(file) ?? "{}");
      const config = json("tokenizer_config.json");
      const open = () => createTokenizer(json("tokenizer.json"), config, "tokenizer.json");
      if (REFUSED.has(name)) {
        assert.throws(open, (error: unknown) => {
          assert.ok(error instanceof MagdiError);
          assert.match(
            error.message,
            /^tokenizer\.json: added_tokens: "<new>" has id \d+, but .* gives it 603$/,
          );
          return true;
        });
        return;
      }
      const tokenizer = open();
      for (const [index, text] of recorded.texts.entries()) {
        const found = [...tokenizer.encode(text, { addSpecialTokens: false })];
        assert.deepEqual(found, ids[index], JSON.stringify(text));
      }
      assert.deepEqual(specialTokenVariables(config), names);
      const found = [...tokenizer.specialTokenIds].sort((a, b) => a - b);
      for (const id of special)
        assert.ok(found.includes(id), `special: ${id} of ${special.join()}, found ${found.join()}`);
      const messages = [{ role: "user", content: "hi" }];
      const said = chatTemplateOf(textFiles, folder).render(messages, { addGenerationPrompt: false });
      assert.equal(said, rendered);
      // What transformers.js renders.
      assert.equal(config.chat_template, chatTemplateOf(textFiles, folder).source);
    });
  });
}
