// Splits text at the matches of an expression, with each of the Rust tokenizers library's behaviours (SplitDelimiterBehavior).

export const SPLIT_BEHAVIOURS = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;
type SplitBehaviour = (typeof SPLIT_BEHAVIOURS)[number];

interface Span {
  readonly start: number;
  readonly end: number;
  readonly isMatch: boolean;
}

/**
 * The pieces' places in order, without empty ones.
 * @param pattern with the flags "gu"; null matches nothing
 */
export function splitAt(
  text: string,
  pattern: RegExp | null,
  behaviour: SplitBehaviour,
  invert: boolean,
): readonly Span[] {
  const spans = spansOf(text, pattern).map((span) => ({ ...span, isMatch: span.isMatch !== invert }));
  return behaved(spans, behaviour).filter(({ start, end }) => end > start);
}

export function isSplitBehaviour(value: unknown): value is SplitBehaviour {
  return SPLIT_BEHAVIOURS.some((behaviour) => behaviour === value);
}

function behaved(spans: readonly Span[], behaviour: SplitBehaviour): readonly Span[] {
  switch (behaviour) {
    case "Isolated":
      return spans;
    case "Removed":
      return spans.filter(({ isMatch }) => !isMatch);
    case "Contiguous":
      return joined(spans, (last, next) => last.isMatch === next.isMatch);
    case "MergedWithPrevious":
      return joined(spans, (last, next) => next.isMatch && !last.isMatch);
    case "MergedWithNext":
      return joined(spans, (last, next) => last.isMatch && !next.isMatch);
  }
}

/** Joins spans with the next ones. What a joined span counts as is the side that the rule looks at. */
function joined(spans: readonly Span[], joins: (last: Span, next: Span) => boolean): readonly Span[] {
  const result: Span[] = [];
  let last: Span | undefined;
  for (const span of spans) {
    const open = result.at(-1);
    if (open !== undefined && last !== undefined && joins(last, span)) {
      result[result.length - 1] = { ...open, end: span.end };
    } else result.push(span);
    last = span;
  }
  return result;
}

/** Matches and the text between them. An empty match is one, but not right behind another match. */
function spansOf(text: string, pattern: RegExp | null): Span[] {
  const spans: Span[] = [];
  let done = 0;
  let lastMatchEnd = -1;
  let from = 0;
  while (pattern !== null && from <= text.length) {
    pattern.lastIndex = from;
    const match = pattern.exec(text);
    if (match === null) break;
    const start = match.index;
    const end = start + match[0].length;
    if (start === end && end === lastMatchEnd) {
      from += (text.codePointAt(from) ?? 0) > 0xffff ? 2 : 1;
      continue;
    }
    if (start > done) spans.push({ start: done, end: start, isMatch: false });
    spans.push({ start, end, isMatch: true });
    done = end;
    from = end;
    lastMatchEnd = end;
  }
  if (done < text.length) spans.push({ start: done, end: text.length, isMatch: false });
  return spans;
}
