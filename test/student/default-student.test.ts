// The student that ships: its files, and its answers against transformers.js and against Transformers in float32.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { AutoTokenizer } from "@huggingface/transformers";
import { fingerprint } from "../../src/student/file-check.ts";
import { openStudentFolder } from "../../src/student/open-student-folder.ts";
import { openChatTemplate } from "../../src/text/chat-template.ts";
import { openTokenizer } from "../../src/text/tokenizer.ts";
import { fixture } from "../support/scratch-folder.ts";
import { best, greedyTokens, openRunner, prefilled } from "../support/tiny-students.ts";
import { greedyInTransformersJs, openInTransformersJs } from "../support/transformers-js.ts";

const FOLDER = fileURLToPath(new URL("../../models/smollm2-135m-instruct", import.meta.url));
const skip = existsSync(path.join(FOLDER, "student.json")) ? false : `${FOLDER} is not in this checkout`;
/** Of each answer: all that the reference has, and as many as show that texts are equal. */
const ANSWER_TOKENS = 48;
const TEXT_TOKENS = 16;

interface Reference {
  readonly results: readonly {
    readonly prompt: string;
    readonly input_ids: readonly number[];
    readonly greedy_ids: readonly number[];
  }[];
}

const { results }: Reference = JSON.parse(readFileSync(fixture("smollm2-135m.json"), "utf8"));

test("its files are there, small enough to ship, and what the manifest says", { skip }, async () => {
  const { manifest, config } = openStudentFolder(FOLDER);
  assert.deepEqual(Object.keys(manifest.dtypes), ["q4"]);
  assert.equal(config.vocabSize, 49152);
  let total = 0;
  for (const [name, { bytes, sha256 }] of Object.entries(manifest.files)) {
    assert.deepEqual(await fingerprint(path.join(FOLDER, name)), { bytes, sha256 }, name);
    assert.ok(bytes < 50e6, `${name} has ${bytes} bytes`);
    total += bytes;
  }
  assert.ok(total <= 115e6, `${total} bytes`);
  const { quality } = manifest.dtypes.q4!;
  assert.ok(quality !== null && quality.agreement >= 0.96, JSON.stringify(quality));
});

test("most likely tokens are float32's in at least 96 of 100 places, on float32's answers", {
  skip,
}, async (t) => {
  const student = openStudentFolder(FOLDER);
  const runner = await openRunner(student, {
    maxRows: results.length,
    contextLength: 256,
    prefillChunkTokens: 200,
    threads: 2,
  });
  let agreed = 0;
  for (const [row, { input_ids, greedy_ids }] of results.entries()) {
    const logits = await prefilled(runner, Int32Array.from(input_ids));
    runner.copyRow(runner.promptRow, row, input_ids.length);
    if (best(logits) === greedy_ids[0]) agreed++;
  }
  let places = results.length;
  for (let at = 1; at < ANSWER_TOKENS; at++) {
    // Answers that have ended repeat their last token; what their rows compute is not read.
    const tokens = Int32Array.from(results, ({ greedy_ids: ids }) => ids[Math.min(at, ids.length) - 1]!);
    const pastLengths = Int32Array.from(results, ({ input_ids }) => input_ids.length + at - 1);
    const { candidateIds } = await runner.decode(results.length, tokens, pastLengths, false);
    for (const [row, { greedy_ids }] of results.entries()) {
      const wanted = greedy_ids[at];
      if (wanted === undefined) continue;
      places++;
      if (Number(candidateIds[row * runner.candidateCount]) === wanted) agreed++;
    }
  }
  runner.close();
  t.diagnostic(`${agreed} of ${places} agree`);
  assert.ok(agreed / places >= 0.96, `${agreed} of ${places}`);
});

test("transformers.js gives the engine's text where both use ONNX Runtime's operators", {
  skip,
}, async (t) => {
  process.env.MAGDI_KERNELS = "stock";
  t.after(() => {
    delete process.env.MAGDI_KERNELS;
  });
  const student = openStudentFolder(FOLDER);
  const tokenizer = await openTokenizer(FOLDER);
  const template = await openChatTemplate(FOLDER);
  const runner = await openRunner(student, { contextLength: 192, prefillChunkTokens: 128, threads: 2 });
  const model = await openInTransformersJs(student);
  const theirs = await AutoTokenizer.from_pretrained(path.basename(FOLDER), { local_files_only: true });
  for (const { prompt } of [results[2]!, results[7]!, results[10]!]) {
    const text = template!.render([{ role: "user", content: prompt }], { addGenerationPrompt: true });
    const ids = tokenizer.encode(text, { addSpecialTokens: false });
    const tokens = await greedyTokens(runner, ids, TEXT_TOKENS);
    const end = tokens.findIndex((id) => student.endTokenIds.has(id));
    const answer = tokenizer.decode(end < 0 ? tokens : tokens.slice(0, end), { skipSpecialTokens: true });

    const messages = [{ role: "user", content: prompt }];
    const rendered = theirs.apply_chat_template(messages, { add_generation_prompt: true, tokenize: false });
    assert.equal(rendered, text);
    const generated = await greedyInTransformersJs(model, ids, TEXT_TOKENS);
    assert.equal(theirs.decode(generated, { skip_special_tokens: true }), answer);
    assert.ok(answer.length > 20, answer);
  }
  runner.close();
  await model.dispose();
});
