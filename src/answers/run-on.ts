// Finds where a text runs on into a new turn: behind its answer the next question, or the next speaker of a chat. It does
// not know what an answer looks like.

/** Where a new turn may begin. */
interface TurnMark {
  readonly start: number;
  readonly end: number;
  /** A mark of a chat template, who asks ("User:", "Q:"), or any other: a question's heading, another speaker. */
  readonly kind: "token" | "asker" | "heading";
  readonly isNumbered: boolean;
}

/** Further marks are no longer looked at: each costs a reading of what stands before it. */
const MAX_MARKS = 64;

// The line's opening may be a heading, a quote, a list or emphasis; all repetition is bounded.
const OPENING = String.raw`(?<=^|\n)[ \t]{0,4}(?:[#>*_[<(|-]{1,8}[ \t]{0,2})?`;
const QUESTION =
  "(?:(?:the |a )?(?:new|next|another) )?(?:question|problem|exercise|query|passage|instruction|input|prompt|task)";
const NUMBER = String.raw`(?:\s?(?:#|no\.\s?)?(\d{1,4}))?`;
const CLOSING = String.raw`[*_\])>|]{0,4}`;
const TOKEN = String.raw`<\|(?:im_start|im_end|user|assistant|system|end|eot_id|eom_id|start_header_id|begin_of_text|end_of_text|endoftext|end_of_role|start_of_role)\|>|\[/?INST\]|<(?:start|end)_of_turn>|</s>|<｜[^｜\n]{1,30}｜>`;

const MARK = new RegExp(
  [
    // "Question: …", "**Problem 2:** …", "### Question" alone, "Assistant: …", and what is left of a template whose special
    // tokens were dropped: "user" on its own line.
    String.raw`${OPENING}(?:${QUESTION}${NUMBER}|assistant|system)${CLOSING}(?:\s?[:：]|[ \t]?(?=\n))`,
    String.raw`${OPENING}response${CLOSING}\s?[:：]`,
    String.raw`${OPENING}(?:(?<asker>q${NUMBER}|user|human)${CLOSING}\s?[:：]|(?:user|human)${CLOSING}[ \t]?(?=\n))`,
    // Behind the end of a sentence or a number, on the same line.
    String.raw`(?<=[.!?)\]}\d*])(?:assistant|user)(?=\n)`,
    String.raw`(?<=[.!?…)\]}"”*$%\d])[ \t]{1,4}(?<inline>question|problem|q|user|human)${NUMBER}[:：]`,
    `(?<token>${TOKEN})`,
  ].join("|"),
  "gi",
);
const TOKENS = new RegExp(TOKEN, "g");
/** A template's tokens that name the next speaker. */
const NEXT_SPEAKER = new RegExp(
  String.raw`^(?:(?:${TOKEN})\s{0,4}){0,8}(?:\[INST\]|<\|user\|>|<｜User｜>|(?<=[>\]]\s{0,4})(?:user|assistant|system|model)\b)`,
  "i",
);

/** Who answers, on a line's start behind one who asks. */
const ANSWERER = /\n[ \t*]{0,4}(?:A|AI|Assistant)[*]{0,2}:/;
const MAX_QUESTION_LENGTH = 4000;

/** The end of what a model thought before it answered; what it asked itself there is no new turn. */
const THOUGHT_END = "</think>";

/**
 * Where a text's first turn ends: at the first mark of a new turn behind a part that gives an answer. Who asks and is
 * answered ("Q: … A: …"), and a chat template's tokens with the next speaker, end whatever was said before. Null when no new turn begins.
 * `answers` says whether a part announces an answer; together the parts are no longer than the text. Linear in the text's
 * length.
 *
 * @example turnEnd("#### 18\n\nQuestion: A robe takes …\n#### 3", (part) => part.includes("####")) // 9
 */
export function turnEnd(text: string, answers: (part: string) => boolean): number | null {
  const thought = text.indexOf(THOUGHT_END);
  const begin = thought < 0 ? 0 : thought + THOUGHT_END.length;
  let from = begin;
  let numbered = false;
  for (const mark of marksFrom(text, begin)) {
    // "Question 2" behind "Question 1" is a step of the same answer.
    if (mark.isNumbered && numbered) continue;
    const part = text.slice(from, mark.start);
    const isFirst = from === begin && endsWhatIsSaid(mark, part, text);
    if (WORD.test(part) && (isFirst || answers(part))) return mark.start;
    numbered ||= mark.isNumbered;
    from = mark.end;
  }
  return null;
}

const WORD = /[\p{L}\p{N}]/u;

function endsWhatIsSaid({ kind, isNumbered, start, end }: TurnMark, part: string, text: string): boolean {
  if (kind === "token") return NEXT_SPEAKER.test(text.slice(start, start + 400));
  if (kind === "heading") return false;
  return (
    !isNumbered && !ANSWERER.test(`\n${part}`) && ANSWERER.test(text.slice(end, end + MAX_QUESTION_LENGTH))
  );
}

function* marksFrom(text: string, begin: number): Generator<TurnMark> {
  let count = 0;
  for (const match of text.matchAll(MARK)) {
    const { token, asker, inline } = match.groups ?? {};
    if (match.index < begin || (inline !== undefined && !/^[A-Z]/.test(inline))) continue;
    yield {
      start: match.index,
      end: match.index + match[0].length,
      kind: token !== undefined ? "token" : asker !== undefined ? "asker" : "heading",
      isNumbered: match.slice(1).some((group) => group !== undefined && /^\d+$/.test(group)),
    };
    if (++count === MAX_MARKS) return;
  }
}

/** Whether anything but a template's marks stands behind a turn's end. */
export function saysMore(rest: string): boolean {
  return WORD.test(rest.replace(TOKENS, ""));
}
