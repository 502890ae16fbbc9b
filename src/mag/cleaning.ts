// Removes from an agent's text what belongs to the debate and not to the reasoning: agreement, instructions, mentions
// of others.

export const CLEANINGS = {
  echoes:
    "sentences that only say whom the agent agrees with or repeat the debate's instructions, opening words about others' solutions, and calculator annotations (<<3+4=7>>)",
  others: "as echoes, and every sentence that mentions other agents, whatever it argues",
  released: "sentences that begin with I agree or I disagree, split at '. ' as the authors' code does",
  none: "nothing",
} as const;

export type Cleaning = keyof typeof CLEANINGS;

export interface Cleaned {
  readonly text: string;
  /** Sentences and opening clauses. */
  readonly echoesRemoved: number;
  readonly annotationsRemoved: number;
}

const ADVERB = String.raw`(?:(?:also|still|completely|fully|strongly|partially|largely|respectfully|mostly|do|must|would|have to|now|generally|can)\s)*`;
/** One of the words that a sentence can open with; "i apologize" may go on for some words. */
const OPENING =
  /(?:yes|no|well|however|therefore|thus|so|but|and|overall|in (?:conclusion|summary)|after (?:review|consideration)|i['’]?(?: a)?m sorry|(i apologi[sz]e))[,:]?\s/iy;
const MAX_APOLOGY_LENGTH = 30;
const I_AGREE = new RegExp(
  String.raw`I\s${ADVERB}(?:(?:dis|cannot |can't )?agree|concur|cannot give in)\b`,
  "iy",
);

/** Whether a sentence says that its speaker agrees, perhaps behind opening words: "Yes, but I agree". */
function agrees(sentence: string): boolean {
  const starts = new Set([/^["'*(\s]*/.exec(sentence)?.[0].length ?? 0]);
  // Each place that opening words lead to is looked at once, by however many ways it is reached.
  for (const start of starts) {
    I_AGREE.lastIndex = start;
    if (I_AGREE.test(sentence)) return true;
    OPENING.lastIndex = start;
    const opening = OPENING.exec(sentence);
    if (opening === null) continue;
    starts.add(start + opening[0].length);
    if (opening[1] === undefined) continue;
    for (const end of apologyEnds(sentence, start + opening[1].length)) starts.add(end);
  }
  return false;
}

/** Where the next word can begin behind " for" and what is apologized for. */
function apologyEnds(sentence: string, at: number): number[] {
  const said = /^ for ([a-z ]{1,30})/i.exec(sentence.slice(at, at + 5 + MAX_APOLOGY_LENGTH));
  if (said === null) return [];
  const from = at + " for ".length;
  const ends: number[] = [];
  for (let end = from + 1; end <= from + said[1]!.length; end++) {
    const gap = /^[,:]?\s/.exec(sentence.slice(end, end + 2));
    if (gap !== null) ends.push(end + gap[0].length);
  }
  return ends;
}
const INSTRUCTIONS =
  /^["'*(\s]*(?:please defend your opinion|make sure to state your answer|please state (?:your|the) (?:final )?answer)\b/i;
/** Other participants. "The agent" alone may come from the question: a real estate agent. */
const AGENTS = String.raw`(?:(?:other|another|fellow|previous|earlier|first|second|third|fourth|one|some|each|both|all(?: (?:the|of the|three|four))?|these|those|two|three|four)(?: of the)? (?:other |previous )?(?:agents?|debaters?|participants?)|agents? ?\d|debater [A-Z\d])\b`;
const OTHERS = new RegExp(String.raw`\b${AGENTS}|^["'*(\s]*(?:thank you|thanks) for\b`, "i");
const OTHERS_SOLUTIONS =
  /\b(?:(?:other|previous|provided|given|updated|above) (?:solutions|answers|responses|agents['’]?s? \w+)|solutions? (?:provided|given|offered|suggested) by|(?:first|second|third|fourth|their) solution)\b/i;
/** "After examining the solutions provided by other agents, it seems that …" */
const LEAD =
  /^["'*(\s]*(?:after|upon|by|based on|having|looking at|considering|according to|from)\s[^,.:\n]{0,160}\b(?:agents?|debaters?|solutions|answers|responses)\b[^,.:\n]{0,160},\s(?:(?:(?:i|we)(?: can| have| also| now| still)*|it)\s(?:agreed?|see|believe|concluded?|confirm|determined?|found|find|think|observed?|noticed?|reali[sz]ed?|come to (?:the|the same|a) conclusion|appears|seems|is clear)(?: with (?:them|their \w+|the [a-z ]{1,40}))?,?\sthat\s)?/i;
/** A sentence that mentions others but also computes or argues stays. */
const ARGUES = /\d|[=+×<>]|\\|\b(?:because|since|as it|due to|means|implies|therefore|so)\b/i;

const SENTENCE_GAP = /(?<=[.!?]["')\]]{0,2})(\s+)(?=["'([*]{0,2}[A-Z\d$\\])/;
const ANNOTATION = /<<[^<>\n]{0,200}>>/g;

/**
 * The text without echoes; the layout between the remaining sentences is kept. `heard`: whether the agent had heard others
 * before; if not, "solutions" are its own.
 */
export function cleanReasoning(text: string, cleaning: Cleaning, heard: boolean): Cleaned {
  if (cleaning === "none") return { text, echoesRemoved: 0, annotationsRemoved: 0 };
  if (cleaning === "released") return removeAgreement(text);
  let echoesRemoved = 0;
  const lines = text.split("\n").flatMap((line) => {
    const pieces = line.split(SENTENCE_GAP);
    // Sentences are at even indices, the gaps after them at odd ones.
    const kept: string[] = [];
    for (let at = 0; at < pieces.length; at += 2) {
      const sentence = pieces[at]!;
      const rest = withoutEcho(sentence, cleaning === "others" && heard);
      if (rest !== sentence) echoesRemoved += 1;
      if (rest !== "") kept.push(rest, pieces[at + 1] ?? "");
    }
    const joined = kept.join("").trimEnd();
    return joined === "" && line.trim() !== "" ? [] : [joined];
  });
  const joined = lines.join("\n");
  const annotationsRemoved = joined.match(ANNOTATION)?.length ?? 0;
  return { text: joined.replace(ANNOTATION, "").trim(), echoesRemoved, annotationsRemoved };
}

/** The rest of a sentence: all, nothing, or what follows opening words about others' solutions. */
function withoutEcho(sentence: string, removeArguments: boolean): string {
  if (agrees(sentence) || INSTRUCTIONS.test(sentence)) return "";
  const mentions = OTHERS.test(sentence);
  if (mentions && !ARGUES.test(sentence.replace(/\b(?:agent|debater) ?[A-Z\d]\b/gi, ""))) return "";
  if (removeArguments && (mentions || OTHERS_SOLUTIONS.test(sentence))) return "";
  const lead = LEAD.exec(sentence)?.[0];
  if (lead === undefined || !(OTHERS.test(lead) || OTHERS_SOLUTIONS.test(lead))) return sentence;
  const rest = sentence.slice(lead.length);
  return agrees(rest) ? "" : `${rest.charAt(0).toUpperCase()}${rest.slice(1)}`;
}

/** remove_agreement of the released code. */
function removeAgreement(text: string): Cleaned {
  const sentences = text.split(". ");
  const kept = sentences.filter((one) => !one.startsWith("I disagree") && !one.startsWith("I agree"));
  return { text: kept.join(". "), echoesRemoved: sentences.length - kept.length, annotationsRemoved: 0 };
}
