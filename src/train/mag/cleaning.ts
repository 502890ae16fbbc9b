// Takes out of an agent's words what belongs to the debate and not to the reasoning. It does not know tasks or answers.

export const CLEANINGS = {
  echoes: "sentences that only say whom the agent agrees with, and calculator annotations (<<3+4=7>>)",
  released: "sentences that begin with I agree or I disagree, split at '. ' as the authors' code does",
  none: "nothing",
} as const;

export type Cleaning = keyof typeof CLEANINGS;

export interface Cleaned {
  readonly text: string;
  readonly sentencesRemoved: number;
  readonly annotationsRemoved: number;
}

const ADVERB = String.raw`(?:(?:also|still|completely|fully|strongly|partially|largely|respectfully|mostly|do|must|would|have to|now|generally)\s)*`;
const AGREES = new RegExp(
  String.raw`^["'*(\s]*(?:(?:yes|no|well|however|therefore|thus|so|but|and|overall|in (?:conclusion|summary)|after (?:review|consideration))[,:]?\s)?I\s${ADVERB}(?:(?:dis)?agree|concur)\b`,
  "i",
);
const OTHERS =
  /^["'*(\s]*(?:thank you|thanks) for\b|\b(?:other|another|fellow|previous) (?:agents?|debaters?|participants?)\b|\b(?:both|all(?: the)?) agents?\b|\bagent ?\d\b/i;
/** A sentence that talks of others may also compute or argue: then it stays. */
const ARGUES = /\d|[=+×<>]|\\|\b(?:because|since|as it|due to|means|implies|therefore|so)\b/i;

const SENTENCE_GAP = /(?<=[.!?]["')\]]{0,2})(\s+)(?=["'([*]{0,2}[A-Z\d$\\])/;
const ANNOTATION = /<<[^<>\n]{0,200}>>/g;

/** The text without its echoes; layout between the sentences that stay is kept. */
export function cleanReasoning(text: string, cleaning: Cleaning): Cleaned {
  if (cleaning === "none") return { text, sentencesRemoved: 0, annotationsRemoved: 0 };
  if (cleaning === "released") return removeAgreement(text);
  let sentencesRemoved = 0;
  const lines = text.split("\n").flatMap((line) => {
    const pieces = line.split(SENTENCE_GAP);
    // Sentences are at even places, the gaps behind them at odd ones.
    const kept: string[] = [];
    for (let at = 0; at < pieces.length; at += 2) {
      const sentence = pieces[at]!;
      if (isEcho(sentence)) sentencesRemoved += 1;
      else kept.push(sentence, pieces[at + 1] ?? "");
    }
    const joined = kept.join("").trimEnd();
    return joined === "" && line.trim() !== "" ? [] : [joined];
  });
  const joined = lines.join("\n");
  const annotationsRemoved = joined.match(ANNOTATION)?.length ?? 0;
  return { text: joined.replace(ANNOTATION, "").trim(), sentencesRemoved, annotationsRemoved };
}

function isEcho(sentence: string): boolean {
  if (AGREES.test(sentence)) return true;
  return OTHERS.test(sentence) && !ARGUES.test(sentence.replace(/\bagent ?\d\b/gi, ""));
}

/** remove_agreement of the released code. */
function removeAgreement(text: string): Cleaned {
  const sentences = text.split(". ");
  const kept = sentences.filter((one) => !one.startsWith("I disagree") && !one.startsWith("I agree"));
  return { text: kept.join(". "), sentencesRemoved: sentences.length - kept.length, annotationsRemoved: 0 };
}
