import assert from "node:assert/strict";
import { test } from "node:test";
import { ggufTokenizerFiles } from "../../src/text/gguf-tokenizer.ts";
import { IncrementalDetokenizer, incompleteBytes } from "../../src/text/incremental-detokenizer.ts";
import { type DecodeOptions, openTokenizer, type Tokenizer } from "../../src/text/tokenizer.ts";
import { SeededRandom } from "./seeded-random.ts";
import { byteLevelFolder, sentencePieceMetadata, withFolder } from "./tokenizer-fixtures.ts";

const byteLevel = await openTokenizer(byteLevelFolder);
const sentencePiece = await withFolder(
  { ...ggufTokenizerFiles(await sentencePieceMetadata()) },
  openTokenizer,
);

function stream(tokenizer: Tokenizer, ids: readonly number[], options: DecodeOptions): string[] {
  const detokenizer = new IncrementalDetokenizer(tokenizer, options);
  return [...ids.map((id) => detokenizer.push(id)), detokenizer.finish()];
}

const OPTIONS: readonly DecodeOptions[] = [
  { skipSpecialTokens: true },
  { skipSpecialTokens: false },
  { skipSpecialTokens: true, continuesText: true },
];

test("the pieces of any ids together are the decoded text", () => {
  for (const tokenizer of [byteLevel, sentencePiece]) {
    const random = new SeededRandom(11);
    // Ids that are bytes alone, so that broken and whole characters of every length come about.
    const byteIds = Array.from({ length: tokenizer.vocabSize }, (_, id) => id).filter((id) => {
      const bytes = tokenizer.tokenBytes(id);
      return bytes.length === 1 && bytes[0]! >= 0x80;
    });
    assert.ok(byteIds.length >= 100);
    for (let round = 0; round < 3000; round++) {
      const share = random.below(4);
      const ids = Array.from({ length: 1 + random.below(24) }, () =>
        random.below(4) < share ? random.pick(byteIds) : random.below(tokenizer.vocabSize + 2),
      );
      for (const options of OPTIONS) {
        assert.equal(stream(tokenizer, ids, options).join(""), tokenizer.decode(ids, options), ids.join());
      }
    }
  }
});

test("characters of several tokens come whole, as soon as they can", () => {
  const text = "é 你好 😀👨‍👩‍👧 한국어 🇩🇪";
  for (const tokenizer of [byteLevel, sentencePiece]) {
    const bytes = Buffer.from(text);
    const idOfByte = new Map<number, number>();
    for (let id = 0; id < tokenizer.vocabSize; id++) {
      const own = tokenizer.tokenBytes(id);
      if (own.length === 1) idOfByte.set(own[0]!, id);
    }
    const ids = [...bytes].map((byte) => idOfByte.get(byte)!);
    const pieces = stream(tokenizer, ids, { skipSpecialTokens: true });
    assert.equal(pieces.join(""), text);
    assert.deepEqual(
      pieces.filter((piece) => piece !== ""),
      [...text],
    );
  }
});

test("what no later byte can mend is not waited for", () => {
  const id = (character: string): number => byteLevel.idOf(character)!;
  // 0xE4 begins a character of three; 0xFF begins none; 0xE4 0x41: the first is lost when the second comes.
  assert.deepEqual(stream(byteLevel, [id("ä"), id("A")], { skipSpecialTokens: true }), ["", "\ufffdA", ""]);
  assert.deepEqual(stream(byteLevel, [id("ÿ")], { skipSpecialTokens: true }), ["\ufffd", ""]);
  assert.deepEqual(stream(byteLevel, [id("ä")], { skipSpecialTokens: true }), ["", "\ufffd"]);
  // A special token that is left out does not break a character.
  const ids = [id("Ã"), byteLevel.idOf("<|im_end|>")!, id("©")];
  assert.equal(stream(byteLevel, ids, { skipSpecialTokens: true }).join(""), "é");
});

test("a text loses SentencePiece's leading space once, unless it goes on after other text", () => {
  const ids = [...sentencePiece.encode(" an an", { addSpecialTokens: false })];
  assert.equal(stream(sentencePiece, ids, { skipSpecialTokens: true }).join(""), " an an");
  assert.equal(
    stream(sentencePiece, ids, { skipSpecialTokens: true, continuesText: true }).join(""),
    "  an an",
  );
  const space = sentencePiece.idOf("▁")!;
  assert.deepEqual(stream(sentencePiece, [space, space], { skipSpecialTokens: true }), ["", " ", ""]);
});

test("unfinished ends are exactly those that more bytes complete", () => {
  const whole = (bytes: readonly number[]): boolean =>
    !Buffer.from(bytes).toString("utf8").includes("\ufffd");
  const completions = [
    [],
    [0x80],
    [0x80, 0x80],
    [0x80, 0x80, 0x80],
    [0xa0, 0x80],
    [0x90, 0x80, 0x80],
    [0xbf],
  ];
  for (let a = 0x80; a < 0x100; a++) {
    for (let b = 0x7f; b < 0x100; b++) {
      for (const bytes of [[a], [a, b], [a, b, 0x80], [0x41, a, b]]) {
        const count = incompleteBytes(Uint8Array.from(bytes));
        const tail = bytes.slice(bytes.length - count);
        if (count > 0) {
          assert.ok(!whole(tail) && completions.some((more) => whole([...tail, ...more])), bytes.join());
        } else {
          for (let from = 0; from < bytes.length; from++) {
            const end = bytes.slice(from);
            const completed = completions.some((more) => more.length > 0 && whole([...end, ...more]));
            assert.ok(!completed || whole(end), bytes.join());
          }
        }
      }
    }
  }
});
