// What training teaches, as token ids: a row for each node's chain, and a unit for the rows that belong together.

import type { Edge } from "../../mag/mag-schema.ts";

/** 0 wrong, 1 right, 2 a missing answer: see missing-nodes.ts. */
export type RowLabel = 0 | 1 | 2;

/** One sequence: the prompt's tokens, then the completion's, which ends in the end token. */
export interface TrainingRow {
  readonly tokenIds: Int32Array;
  readonly promptLength: number;
  readonly label: RowLabel;
}

/** Rows that must be in one batch: those of a graph, or a single one that no loss relates to others. */
export interface TrainingUnit {
  readonly id: string;
  readonly rows: readonly TrainingRow[];
  readonly edges: readonly Edge[];
}

/** Each row as a unit of its own, for losses that relate no rows: batches then have less padding. */
export function rowsApart(units: readonly TrainingUnit[]): TrainingUnit[] {
  return units.flatMap(({ id, rows }) =>
    rows.map((row, index): TrainingUnit => ({ id: `${id} ${index}`, rows: [row], edges: [] })),
  );
}

/** What units can teach. */
export interface Taught {
  readonly right: number;
  readonly wrong: number;
  /** Units with right and wrong rows, which can be told apart. */
  readonly contrasted: number;
  readonly labels: ReadonlySet<RowLabel>;
}

export function taughtBy(units: readonly TrainingUnit[]): Taught {
  const labels = units.map(({ rows }) => rows.map(({ label }) => label));
  const all = labels.flat();
  return {
    right: all.filter((label) => label === 1).length,
    wrong: all.filter((label) => label === 0).length,
    contrasted: labels.filter((own) => own.includes(1) && own.includes(0)).length,
    labels: new Set(all),
  };
}
