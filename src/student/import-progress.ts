// How far an import is, for whoever shows it.

export interface ImportProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
}
