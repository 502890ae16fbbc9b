// The answers of one round, grouped by value, and whether they agree.

export interface DebateNode {
  readonly agent: string;
  readonly round: number;
  readonly reasoning: string;
  /** As it was stated; null when none could be read. */
  readonly answer: string | null;
  /** What answers are compared by; null without an answer. */
  readonly key: string | null;
  /** From 0 to 1; null when none was stated. */
  readonly confidence: number | null;
}

export interface NodeGroup {
  /** As its first agent wrote it; null for the group of those without an answer. */
  readonly answer: string | null;
  readonly nodes: readonly DebateNode[];
}

/** One group for each answer, all of them: larger ones first, of equal ones the one whose first agent comes first, those without an answer last. */
export function groupsOf(nodes: readonly DebateNode[]): NodeGroup[] {
  const groups = new Map<string | null, DebateNode[]>();
  for (const node of nodes) {
    const group = groups.get(node.key);
    if (group === undefined) groups.set(node.key, [node]);
    else group.push(node);
  }
  return [...groups.values()]
    .map((group): NodeGroup => ({ answer: group[0]?.answer ?? null, nodes: group }))
    .sort((a, b) => Number(a.answer === null) - Number(b.answer === null) || b.nodes.length - a.nodes.length);
}

/** Whether at least two agents answered and all who did gave the same answer by value. */
export function isConsensus(nodes: readonly DebateNode[]): boolean {
  const [first] = nodes;
  return (
    nodes.length > 1 &&
    first !== undefined &&
    first.key !== null &&
    nodes.every(({ key }) => key === first.key)
  );
}
