// Prompts of exact lengths, cut from questions that differ from the first words on.
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import type { PromptSource } from "./cases.ts";

const NAMES = [
  "Ada",
  "Ben",
  "Cleo",
  "Dan",
  "Eva",
  "Finn",
  "Gus",
  "Hana",
  "Ida",
  "Jon",
  "Kim",
  "Lou",
  "Mia",
  "Ned",
  "Oda",
  "Pia",
];
const THINGS = ["marbles", "stamps", "shells", "coins", "cards", "seeds", "buttons", "pencils"];

export function promptSource(tokenizer: Tokenizer): PromptSource {
  return {
    prompt(tokens, number) {
      const sentences: string[] = [];
      let ids: number[] = [];
      for (let sentence = 0; ids.length < tokens; sentence++) {
        const name = NAMES[(number + sentence) % NAMES.length];
        const thing = THINGS[(number + 3 * sentence) % THINGS.length];
        const count = 7 + ((13 * number + 29 * sentence) % 90);
        sentences.push(`${name} has ${count} ${thing} and gives ${count % 5} of them to a friend.`);
        const text = `<|im_start|>user\n${sentences.join(" ")} How many things have they together?`;
        ids = [...tokenizer.encode(text, { addSpecialTokens: false })];
      }
      return ids.slice(0, tokens);
    },
  };
}
