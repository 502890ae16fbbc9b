// The name that a mistyped one was meant for: of a flag, a command or a subcommand.

/** What other tools call the same. */
const CALLED_ELSEWHERE: Readonly<Record<string, string>> = {
  lr: "learning-rate",
  "lora-r": "lora-rank",
  "num-train-epochs": "epochs",
  "per-device-train-batch-size": "batch-size",
  "train-batch-size": "batch-size",
  "model-name-or-path": "base",
  "output-dir": "out",
  output: "out",
  "dataset-name": "data",
  "train-file": "data",
  "eval-file": "validation",
  "max-length": "max-tokens",
  "max-seq-length": "max-tokens",
  "max-new-tokens": "max-tokens",
  "warmup-ratio": "warmup-share",
  "lr-scheduler-type": "schedule",
  "max-grad-norm": "clip-norm",
  "target-modules": "lora-targets",
  "resume-from-checkpoint": "resume",
  quantization: "dtype",
};

/** The nearest of `names`; null when none is near. Underscores, capitals and spaces count as hyphens. */
export function nearestName(given: string, names: readonly string[]): string | null {
  const name = given
    .replace(/(?<=[a-z])(?=[A-Z])|[_\s]+/g, "-")
    .toLowerCase()
    .slice(0, MOST_CHARACTERS);
  const elsewhere = Object.hasOwn(CALLED_ELSEWHERE, name) ? CALLED_ELSEWHERE[name] : undefined;
  if (elsewhere !== undefined && names.includes(elsewhere)) return elsewhere;
  const ranked = names
    .map((one) => ({ one, edits: editDistance(name, one) }))
    .sort((a, b) => a.edits - b.edits);
  const [best] = ranked;
  if (best !== undefined && best.edits <= Math.max(1, Math.floor(best.one.length / 3))) return best.one;
  const longer = names.filter(
    (one) => name.length >= 3 && (one.startsWith(`${name}-`) || one.endsWith(`-${name}`)),
  );
  return longer.length === 1 ? (longer[0] ?? null) : null;
}

const MOST_CHARACTERS = 64;

/** Insertions, deletions, replacements, and exchanges of two neighbours (Damerau), that lead from `a` to `b`. */
function editDistance(a: string, b: string): number {
  let [before, last]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      const isExchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          last![j]! + 1,
          row[j - 1]! + 1,
          last![j - 1]! + Number(!isSame),
          isExchanged ? before![j - 2]! + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    [before, last] = [last, row];
  }
  return last![b.length]!;
}
