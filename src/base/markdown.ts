// Text from elsewhere inside a Markdown page or its front matter, so that it is shown as it is and adds no markup.

import { stringify } from "yaml";

const MOST_CHARACTERS = 200;

/** One line of at most 200 characters. */
export function shortLine(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\s]+/gu, " ").trim();
  const characters = [...line];
  return characters.length > MOST_CHARACTERS ? `${characters.slice(0, MOST_CHARACTERS - 1).join("")}…` : line;
}

/** Plain text within a line; pipes are left to the table. */
export function markdownText(text: string): string {
  return shortLine(text)
    .replaceAll(/[\\`*[\]<>~$]|(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, "\\$&")
    .replaceAll("&", "&amp;");
}

/** A code span. */
export function markdownCode(text: string): string {
  const line = shortLine(text);
  const runs = (line.match(/`+/g) ?? []).map(({ length }) => length);
  const fence = "`".repeat(Math.max(0, ...runs) + 1);
  return runs.length === 0 ? `\`${line}\`` : `${fence} ${line} ${fence}`;
}

/** A text as one scalar of YAML, of the old version too, which takes more words for something else. */
export function yamlText(text: string): string {
  return stringify(shortLine(text), { version: "1.1", lineWidth: 0, blockQuote: false }).trimEnd();
}

/** A word of a shell's command line. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
