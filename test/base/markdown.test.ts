// Foreign text in cards and pages: front matter that stays one value, Markdown that stays text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, parseDocument } from "yaml";
import { markdownCode, markdownText, shellWord, yamlText } from "../../src/base/markdown.ts";
import { modelCard } from "../../src/student/model-card.ts";

const HOSTILE = [
  "mit\nlibrary_name: evil",
  "mit\r---\r# Owned",
  "mit\u2028x: 1\u2029y: 2\u0085z: 3",
  'a"b\\c',
  "a: b",
  "# comment",
  "- list",
  "&anchor *alias !!tag",
  "{a: 1}",
  "[1, 2]",
  "| block",
  "> folded",
  "%directive",
  "@at `tick`",
  "---",
  "...",
  "yes",
  "NO",
  "null",
  "~",
  "1.0",
  "0x1F",
  "2024-01-01",
  "",
  " leading",
  "\u0000\u001b[31m\ufeff\ud800",
  "<script>alert(1)</script>",
  "![x](http://example.com/p.png) [y](javascript:alert(1))",
  "a|b|c",
  "**bold** _em_ ~~no~~ `code` $x$ &lt;",
  "x".repeat(10_000),
];

test("any text is one value of the front matter", () => {
  for (const text of HOSTILE) {
    const document = parseDocument(`before: 1\nlicense: ${yamlText(text)}\nafter: 2\n`);
    assert.deepEqual(document.errors, [], text);
    assert.deepEqual(Object.keys(document.toJS()), ["before", "license", "after"]);
    assert.equal(typeof document.toJS().license, "string", text);
    // YAML 1.1, which other readers follow, takes more words for something else.
    assert.equal(typeof parse(`x: ${yamlText(text)}`, { version: "1.1" }).x, "string", text);
  }
  assert.deepEqual(["apache-2.0", "mit", "llama3.2", "cc-by-nc-4.0", "unknown"].map(yamlText), [
    ...["apache-2.0", "mit", "llama3.2", "cc-by-nc-4.0", "unknown"],
  ]);
});

test("any text is text of one line in Markdown", () => {
  assert.equal(markdownText("Qwen/Qwen3-0.6B_x (v1.0)"), "Qwen/Qwen3-0.6B_x (v1.0)");
  assert.equal(
    markdownText("<b>*a*</b> [x](y) `c` &lt; _e_"),
    "\\<b\\>\\*a\\*\\</b\\> \\[x\\](y) \\`c\\` &amp;lt; \\_e\\_",
  );
  assert.equal(markdownCode("a`b``c"), "``` a`b``c ```");
  assert.equal(markdownCode("plain.jsonl"), "`plain.jsonl`");
  for (const text of HOSTILE) {
    for (const written of [markdownText(text), markdownCode(text), yamlText(text)]) {
      assert.doesNotMatch(written, /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]/u);
      assert.ok([...written].length < 450, written);
    }
    assert.doesNotMatch(markdownText(text), /(?<!\\)[<>[\]`*]/);
  }
  assert.equal(shellWord("models/mine"), "models/mine");
  assert.equal(shellWord("a'; rm -rf ~"), `'a'\\''; rm -rf ~'`);
});

test("a model card has no other front matter, headings, links or HTML than its own", () => {
  for (const text of HOSTILE) {
    const card = modelCard({
      ...{ format: 1, name: text, base: text, family: text, parameters: 1, contextLength: 1, licence: text },
      ...{ level: 1, tasks: [text], dtypes: {}, files: {} },
      training: {
        ...{ adapter: text, adapterSha256: "0".repeat(64), recipe: text, data: text },
        ...{ lora: ["rank 8, alpha 16"], modules: [text] },
      },
    });
    const [opening, front = "", ...rest] = card.split(/^---$/m);
    assert.equal(opening, "");
    const keys = Object.keys(parse(front));
    assert.deepEqual(keys, ["library_name", "license", "pipeline_tag"]);
    const page = rest.join("---");
    assert.equal(page.match(/^#+ /gm)?.length, 1, text);
    const outsideCode = page.replaceAll(/^```[\s\S]*?^```$/gm, "");
    assert.doesNotMatch(outsideCode, /(?<!\\)[<>]|(?<!\\)\]\(/, text);
  }
});
