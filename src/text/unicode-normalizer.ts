// Unicode normalization (UAX 15) in linear time. The engine's own String.normalize moves each mark of a long run past
// those before it, which is quadratic. It knows no tokenizer.

export type NormalizationForm = "NFC" | "NFD" | "NFKC" | "NFKD";

export function isNormalizationForm(name: unknown): name is NormalizationForm {
  return name === "NFC" || name === "NFD" || name === "NFKC" || name === "NFKD";
}

/** Longer runs of marks are put in order first. UAX 15's stream-safe text has at most 30 marks in a row. */
const LONG_RUN = 32;

/** Characters that can move in normalization: marks, and the half-width marks that become marks in NFKC and NFKD. */
const RUN = new RegExp(String.raw`[\p{M}\uff9e\uff9f]{${LONG_RUN},}`, "gu");

/** U+0334 has the lowest class above 0 (1), and U+0345 the greatest (240). */
const LOWEST = "\u0334";
const GREATEST = "\u0345";

/**
 * `text.normalize(form)`, in linear time for any text. Marks are ordered by a stable sort, as the standard defines
 * their order, so the result is the same: a text and its reordering are equivalent, and normalize alike.
 */
export function normalizeUnicode(text: string, form: NormalizationForm): string {
  return orderMarks(text, form).normalize(form);
}

/** An equivalent text whose long runs of marks are in order, so that the engine normalizes it in linear time. */
function orderMarks(text: string, form: NormalizationForm): string {
  return text.replace(RUN, (run) => ordered(run, form));
}

/** A run in which decomposed marks stand in the order of their classes, between characters that do not move. */
function ordered(run: string, form: NormalizationForm): string {
  const decomposition = form === "NFC" || form === "NFD" ? "NFD" : "NFKD";
  const known = new Map<string, readonly string[]>();
  let out = "";
  let moving = new Map<string, string>();
  const flush = (): void => {
    if (moving.size === 0) return;
    for (const one of classes) out += moving.get(one) ?? "";
    moving = new Map();
  };
  for (const character of run) {
    let marks = known.get(character);
    if (marks === undefined) {
      marks = Array.from(character.normalize(decomposition));
      known.set(character, marks);
    }
    for (const mark of marks) {
      const its = classOf(mark);
      if (its !== null) moving.set(its, (moving.get(its) ?? "") + mark);
      else {
        flush();
        out += mark;
      }
    }
  }
  flush();
  return out;
}

/** The canonical combining classes that were met, each by the first of its marks, in their order. Unicode has some 55. */
const classes: string[] = [];
const classesOfMarks = new Map<string, string | null>();

/** The class of a mark; null for a character that does not move. */
function classOf(mark: string): string | null {
  let found = classesOfMarks.get(mark);
  if (found === undefined) {
    const moves = mark === LOWEST || comesBefore(mark, GREATEST) || comesBefore(LOWEST, mark);
    found = moves ? knownClass(mark) : null;
    classesOfMarks.set(mark, found);
  }
  return found;
}

/** The engine does not tell a mark's class, but which of two marks comes first. */
function knownClass(mark: string): string {
  const at = classes.findIndex((one) => !comesBefore(one, mark));
  const one = classes[at];
  if (one !== undefined && !comesBefore(mark, one)) return one;
  classes.splice(at < 0 ? classes.length : at, 0, mark);
  return mark;
}

/** Whether normalization puts `first` before `second` even where it stands behind it. */
function comesBefore(first: string, second: string): boolean {
  return first !== second && (second + first).normalize("NFD") === first + second;
}
