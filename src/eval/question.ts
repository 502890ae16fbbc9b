// One question of a benchmark with its gold answer. It knows neither files nor models.

import type { Choice, Task } from "../answers/task.ts";

export interface Question {
  readonly dataset: string;
  /** Unique within its data set. */
  readonly id: string;
  readonly task: Task;
  readonly question: string;
  readonly choices: readonly Choice[] | null;
  readonly passage: string | null;
  /** A choice's label, yes or no, a number, an expression in LaTeX, or words. */
  readonly gold: string;
}
