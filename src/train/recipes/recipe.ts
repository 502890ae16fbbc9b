// What a recipe is: a name, a sentence, and the settings in which it differs from the defaults.

import type { TrainingSettings } from "../run/training-settings.ts";

export interface Recipe {
  /** With a part in angle brackets it stands for a family, such as sit-<agent>. */
  readonly name: string;
  readonly summary: string;
  /** How much of the interaction graphs it learns from, 1 to 4; null where it is none of the paper's levels. */
  readonly level: 1 | 2 | 3 | 4 | null;
  /** `argument` is what stands for the part in angle brackets; empty where there is none. */
  readonly settings: (argument: string) => Partial<TrainingSettings>;
}
