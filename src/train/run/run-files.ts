// The files of a run: metrics and checkpoints, written while it trains and read when it is resumed.

import path from "node:path";
import { MagdiError } from "../../base/errors.ts";
import type { AppendLog } from "../../base/files/append-log.ts";
import type { AdamW } from "../step/optimiser.ts";
import type { TrainingStep } from "../step/training-step.ts";
import {
  type AdapterDescription,
  type RunOrigin,
  type RunState,
  readCheckpoint,
  writeCheckpoint,
} from "./checkpoint.ts";
import { openRunLog, type RunLogLine } from "./run-log.ts";

/** As they were resolved. */
export const SETTINGS_FILE = "settings.json";
export const METRICS_FILE = "metrics.jsonl";
/** The last state. */
export const CHECKPOINT_FOLDER = "checkpoint";
/** The state after the best validation. */
export const BEST_FOLDER = "best";
/** The merged student. */
export const STUDENT_FOLDER = "student";

export interface RunFilesOptions {
  /** The run's folder, which is there. */
  readonly folder: string;
  /** Takes its parameters from the last checkpoint. */
  readonly step: TrainingStep;
  readonly optimiser: AdamW;
  readonly adapter: AdapterDescription;
  readonly origin: RunOrigin;
  /** Whether nothing is left to do of a run that stands there. */
  readonly isOver: (state: RunState) => boolean;
}

const ORIGINS = {
  settingsHash: "settings",
  dataHash: "data",
  baseHash: "weights or another configuration of the base",
  initAdapterHash: "weights of the adapter that it trains on",
} as const satisfies Record<keyof RunOrigin, string>;

export class RunFiles {
  /** Where the run stood when it was opened. */
  readonly opened: RunState;
  readonly #options: RunFilesOptions;
  readonly #log: AppendLog;

  /** Opens a run at its last checkpoint, or at the beginning where there is none.
   * @throws MAGDI_BAD_FILE for a checkpoint of other settings, data or parameters, MAGDI_NOT_WRITTEN */
  constructor(options: RunFilesOptions) {
    this.#options = options;
    const resumed = this.#resumed();
    this.opened = resumed ?? {
      step: 0,
      validatedStep: -1,
      best: null,
      validationsWithoutBetter: 0,
      seconds: 0,
      tokens: 0,
      finished: false,
      ...options.origin,
    };
    const file = path.join(options.folder, METRICS_FILE);
    this.#log = openRunLog(file, resumed?.step ?? -1, resumed?.finished);
  }

  #resumed(): RunState | null {
    const { folder, step, optimiser, origin, isOver } = this.#options;
    const place = path.join(folder, CHECKPOINT_FOLDER);
    const checkpoint = readCheckpoint(place, step.shapes);
    if (checkpoint === null) return null;
    for (const [key, what] of Object.entries(ORIGINS) as [keyof RunOrigin, string][]) {
      // its own keys
      if (checkpoint.state[key] === origin[key]) continue;
      throw new MagdiError(
        "MAGDI_BAD_FILE",
        `${place}: was made with other ${what} than there are now: going on would be another run; put them back, or train into a new folder`,
      );
    }
    for (const [key, values] of checkpoint.parameters) step.parameters.get(key)?.set(values); // readCheckpoint checked the keys
    optimiser.restore(checkpoint.optimiser);
    const { state } = checkpoint;
    // A run that had ended and was lengthened goes on.
    return { ...state, finished: state.finished && isOver(state) };
  }

  /** @throws MAGDI_NOT_WRITTEN */
  append(line: RunLogLine): void {
    this.#log.append(line);
  }

  /** @throws MAGDI_NOT_WRITTEN; what was saved before stays. */
  save(name: typeof CHECKPOINT_FOLDER | typeof BEST_FOLDER, state: RunState): void {
    const { folder, step, optimiser } = this.#options;
    const { textFiles: _textFiles, ...described } = this.#options.adapter;
    // A checkpoint is to go on from, and written often.
    const adapter = name === BEST_FOLDER ? this.#options.adapter : described;
    const checkpoint = { state, parameters: step.parameters, optimiser: optimiser.state() };
    writeCheckpoint(path.join(folder, name), checkpoint, step.shapes, adapter);
  }

  close(): void {
    this.#log.close();
  }
}
