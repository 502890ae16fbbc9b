// Byte-pair merges from a SentencePiece vocabulary, which has scores instead. It knows pieces and scores, no files.

/**
 * Every way to make a piece of two others is a merge, in the order of the pieces' scores: SentencePiece merges the
 * neighbours whose piece scores best. Ties stand as in Transformers' converter (generate_merges).
 * @param pieces piece → id, for all that merging may use and make
 * @param scores score by id
 */
export function mergesFromScores(
  pieces: ReadonlyMap<string, number>,
  scores: ArrayLike<number>,
): [string, string][] {
  interface Candidate {
    readonly left: string;
    readonly right: string;
    readonly score: number;
  }
  const candidates: Candidate[] = [];
  for (const [piece, id] of pieces) {
    const score = scores[id]!;
    const ofPiece: (Candidate & { leftId: number; rightId: number })[] = [];
    for (let cut = 1; cut < piece.length; cut++) {
      const left = piece.slice(0, cut);
      const leftId = pieces.get(left);
      if (leftId === undefined) continue;
      const right = piece.slice(cut);
      const rightId = pieces.get(right);
      if (rightId !== undefined) ofPiece.push({ left, right, score, leftId, rightId });
    }
    ofPiece.sort((a, b) => a.leftId - b.leftId || a.rightId - b.rightId);
    candidates.push(...ofPiece);
  }
  candidates.sort(
    (a, b) =>
      b.score - a.score ||
      codePoints(b.left) - codePoints(a.left) ||
      codePoints(b.right) - codePoints(a.right),
  );
  return candidates.map(({ left, right }) => [left, right]);
}

function codePoints(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xdc00 || unit > 0xdfff) count++;
  }
  return count;
}
