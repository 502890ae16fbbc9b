// Finds where a text announces its answer: \boxed{…}, <answer>…</answer>, {"answer": …}, "#### …", "the answer is …",
// "Answer: …". Each kind is found in one pass with a bounded look ahead. It does not know what an answer looks like.

import { isInitial, NO_ABBREVIATION } from "./sentences.ts";

/**
 * "boxed" is anything that encloses an answer: a box, a tag, a field of JSON. "hashes" is "####", "phrase" a sentence
 * that names the answer, and "solution" one that names a solution, which is often only a step.
 */
export type MarkerKind = "boxed" | "hashes" | "phrase" | "solution";

export interface AnswerMarker {
  readonly kind: MarkerKind;
  /** The range in the text, from the marker's first character to the end of its content. */
  readonly start: number;
  readonly end: number;
  /** What is announced: the content of the braces, or the rest of the line or of the sentence. */
  readonly content: string;
  /** Whether the marker has its own line, with the content below. */
  readonly heading?: boolean;
}

/** The last ones of each kind that are found. */
const MAX_MARKERS = 200;

/** Longer content is cut off, and a longer box is not read. */
const MAX_CONTENT_LENGTH = 400;

/** The markers, at most the last MAX_MARKERS of a kind, by start. */
export function findAnswerMarkers(text: string): AnswerMarker[] {
  const fields = findFields(text);
  let next = 0;
  const phrases = findPhrases(text).filter(({ start }) => {
    while (next < fields.length && fields[next]!.end <= start) next++;
    return next === fields.length || start < fields[next]!.start;
  });
  return [findBoxed(text), findTags(text), fields, findHashes(text), phrases]
    .flatMap((kind) => kind.slice(-MAX_MARKERS))
    .sort((a, b) => a.start - b.start);
}

/** All \boxed{…} and \fbox{…} with balanced braces that are not empty, and \boxed 5 without braces, by start. */
export function findBoxed(text: string): AnswerMarker[] {
  const opener = /\\(?:boxed|fbox)\s{0,4}(?=(\S))/g;
  // From the opening brace to the start of its box.
  const openings = new Map<number, number>();
  const found: AnswerMarker[] = [];
  for (const match of text.matchAll(opener)) {
    const after = match.index + match[0].length;
    if (match[1] === "{") openings.set(after, match.index);
    else {
      const content = /^[^\s$.,;]{1,40}/.exec(text.slice(after, after + 40))?.[0] ?? "";
      if (content !== "")
        found.push({ kind: "boxed", start: match.index, end: after + content.length, content });
    }
  }
  if (openings.size === 0) return found;
  const open: number[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") at += 1;
    else if (character === "{") open.push(at);
    else if (character === "}") {
      const brace = open.pop();
      const start = brace === undefined ? undefined : openings.get(brace);
      if (brace === undefined || start === undefined || at - brace > MAX_CONTENT_LENGTH) continue;
      const content = text.slice(brace + 1, at).trim();
      if (content !== "") found.push({ kind: "boxed", start, end: at + 1, content });
    }
  }
  return found.sort((a, b) => a.start - b.start);
}

/** <answer>18</answer>. */
function findTags(text: string): AnswerMarker[] {
  const tag = /<(answer|final_answer)>([^<]{1,400})<\/\1>/gi;
  return enclosed(text.matchAll(tag), (match) => match[2] ?? "");
}

/** {"answer": "18"} and {"answer": 18} in JSON. */
function findFields(text: string): AnswerMarker[] {
  const field =
    /"(?:final[ _])?answer"\s{0,4}:\s{0,4}(?:"((?:[^"\\\n]|\\.){1,400})"|(-?[\d.]{1,40}|true|false)(?=\s{0,4}[,}\n]))/gi;
  return enclosed(text.matchAll(field), ([, words, bare = ""]) =>
    words === undefined ? bare : unescaped(words),
  );
}

function enclosed(
  matches: Iterable<RegExpExecArray>,
  read: (match: RegExpExecArray) => string,
): AnswerMarker[] {
  return Array.from(matches, (match) => ({
    kind: "boxed" as const,
    start: match.index,
    end: match.index + match[0].length,
    content: read(match).trim(),
  })).filter(({ content }) => content !== "");
}

/** The value of a JSON string. Many models forget to escape the backslashes of LaTeX, so "\frac" is read as it is. */
function unescaped(words: string): string {
  try {
    return String(JSON.parse(`"${words.replace(/(?<!\\)\\(?=[a-z]{2})/g, "\\\\")}"`));
  } catch {
    return words;
  }
}

/** GSM8K's "#### 18". A Markdown heading looks the same, so the content need not be an answer. */
function findHashes(text: string): AnswerMarker[] {
  const found: AnswerMarker[] = [];
  for (const match of [...text.matchAll(/####(?!#)[ \t#]{0,8}/g)].slice(-2 * MAX_MARKERS)) {
    const from = match.index + match[0].length;
    const line = lineFrom(text, from);
    if (line.trim() !== "")
      found.push({ kind: "hashes", start: match.index, end: from + line.length, content: line });
  }
  return found;
}

// A noun such as "answer", then the words that may come between, then a verb or a colon. All repetition is bounded.
const PHRASE = new RegExp(
  [
    String.raw`\b(?:(answer|solution)s?|(?:correct|best|right|final|likely|appropriate|suitable|fitting)\s(?:answer\s)?(?:choice|option)|(?:choice|option)(?=\sis\b))`,
    `[*_"'”’]{0,3}`,
    String.raw`(?:\s?\([^()\n]{0,40}\))?`,
    String.raw`(?:\s(?:choice|option|here|then|therefore|thus))?`,
    String.raw`(?:[*_]{0,3}\s?[:：=][*_]{0,3}`,
    String.raw`|(?:\s(?:to|for|of|in|from|among|(?<!solutions?\s)(?:that|which))\s(?:(?!answers?\s(?:is|was)\b)[^.:?!\n]){1,100}?)?,?\s(?:is|are|was|would be|should be|must be|will be|has to be|equals|would most likely be)\b:?)`,
  ].join(""),
  "gi",
);

/** Ends the text before a phrase that does not announce the answer but supposes, denies or checks one. */
const NOT_MEANT =
  /\b(?:if|whether|suppose|supposing|assume|assuming|unless|incorrect|wrong|previous|not|no|to|other|another|one possible|example|unrounded|check|checking|verify|verifying|verification of|confirm|confirming|(?:score|points?|marks?) (?:for|from))\s(?:the |an |your |our |my |his |her |their |this |that |possible |correct |final |right ){0,3}$/i;

function findPhrases(text: string): AnswerMarker[] {
  const found: AnswerMarker[] = [];
  for (const match of [...text.matchAll(PHRASE)].slice(-2 * MAX_MARKERS)) {
    if (NOT_MEANT.test(text.slice(Math.max(0, match.index - 40), match.index))) continue;
    const from = match.index + match[0].length;
    const { content, start: contentStart, end } = sentenceFrom(text, from);
    const heading = text.slice(from, contentStart).includes("\n");
    // Steps in a numbered list under "Answer:" are not the answer.
    if (heading && /^\d{1,2}[.)]\s/.test(text.slice(contentStart, contentStart + 5))) continue;
    const kind = match[1]?.toLowerCase() === "solution" ? "solution" : "phrase";
    if (content !== "") found.push({ kind, start: match.index, end, content, heading });
  }
  return found;
}

const SENTENCE_END = new RegExp(
  String.raw`(?=[.!?])${NO_ABBREVIATION}[.!?](?:["'”’)\]*]{0,3})\s{1,4}(?=[A-Z("'“‘$\\*#\d])|\n`,
  "g",
);

/** The rest of the sentence, or the first sentence of the next line when the marker ends its line. */
function sentenceFrom(text: string, from: number): { content: string; start: number; end: number } {
  let start = from;
  while (start < text.length && start - from < 12 && /[\s#]/.test(text[start] ?? "")) start += 1;
  const window = text.slice(start, start + MAX_CONTENT_LENGTH);
  SENTENCE_END.lastIndex = 0;
  // A display such as \[ … \] may span lines, so the sentence ends behind it.
  const display = /^(?:\$\$|\\\[|\\begin(?=(\{[a-z]{1,12}\*?\})))\s*/.exec(window);
  if (display !== null) {
    const closer =
      display[1] === undefined ? (display[0].startsWith("$") ? "$$" : "\\]") : `\\end${display[1]}`;
    const close = window.indexOf(closer, display[0].length);
    if (close > 0) SENTENCE_END.lastIndex = close;
  }
  let stop = SENTENCE_END.exec(window);
  while (stop !== null && isInitial(window, stop.index)) stop = SENTENCE_END.exec(window);
  const content = stop === null ? window : window.slice(0, stop.index);
  return { content: content.trim(), start, end: start + content.length };
}

function lineFrom(text: string, from: number): string {
  const window = text.slice(from, from + MAX_CONTENT_LENGTH);
  const newline = window.indexOf("\n");
  return newline < 0 ? window : window.slice(0, newline);
}
