// Baselines: what an answer costs as a multi-agent debate, from the shipped table and the user's own.

import { TASKS, type Task } from "../answers/task.ts";
import { MagdiError } from "../base/errors.ts";
import { readRegularText } from "../base/files/regular-file.ts";
import { isDeeperThan } from "../base/json-depth.ts";
import shipped from "./baselines.json" with { type: "json" };

export interface Baseline {
  readonly name: string;
  /** Mean tokens of a debate of one question. */
  readonly tokens: number;
  /** Mean tokens of the distilled student on the same benchmark; null if not measured. */
  readonly studentTokens: number | null;
  /** Tasks that use this baseline by default. */
  readonly tasks: readonly Task[];
  /** Where the number comes from. */
  readonly source: string;
}

/** Baselines by name and by task; a later one replaces an earlier one of the same name or task. */
export class Baselines {
  readonly #byName = new Map<string, Baseline>();
  readonly #byTask = new Map<Task, Baseline>();

  /** @throws MagdiError MAGDI_BAD_CONFIG naming the invalid key */
  add(table: unknown, where: string): void {
    for (const baseline of parseTable(table, where)) {
      this.#byName.set(baseline.name, baseline);
      for (const [task, current] of this.#byTask) {
        if (current.name === baseline.name) this.#byTask.set(task, baseline);
      }
      for (const task of baseline.tasks) this.#byTask.set(task, baseline);
    }
  }

  all(): Baseline[] {
    return [...this.#byName.values()];
  }

  /**
   * The baseline called `name`, or without a name the task's.
   *
   * @throws MagdiError MAGDI_BAD_REQUEST (param "baseline") for an unknown name
   */
  select(task: Task, name?: string | null): Baseline {
    const found = name === undefined || name === null ? this.#byTask.get(task) : this.#byName.get(name);
    if (found !== undefined) return found;
    throw new MagdiError(
      "MAGDI_BAD_REQUEST",
      `baseline: expected one of ${[...this.#byName.keys()].join(", ")}, found ${JSON.stringify(name ?? task)}`,
      { param: "baseline" },
    );
  }
}

/**
 * The shipped baselines, extended by a JSON file if a path is given:
 * `{"baselines": {"my-debate": {"tokens": 512, "source": "…", "tasks": ["math"]}}}`.
 *
 * @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_CONFIG
 */
export function loadBaselines(path?: string | null): Baselines {
  const baselines = new Baselines();
  baselines.add(shipped, "the shipped baselines");
  if (path !== undefined && path !== null) baselines.add(readTable(path), path);
  return baselines;
}

function readTable(path: string): unknown {
  let text: string;
  try {
    text = readRegularText(path);
  } catch (cause) {
    if (cause instanceof MagdiError && cause.code !== "MAGDI_FILE_MISSING") throw cause;
    const message = `${path}: expected a JSON file of debate baselines, found none that can be read`;
    throw new MagdiError("MAGDI_FILE_MISSING", message, { cause });
  }
  if (isDeeperThan(text)) {
    throw new MagdiError("MAGDI_BAD_CONFIG", `${path}: expected baselines, found JSON nested too deep`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MagdiError("MAGDI_BAD_CONFIG", `${path}: expected JSON, found other text`, { cause });
  }
}

function parseTable(table: unknown, where: string): Baseline[] {
  const entries = objectAt(objectAt(table, where).baselines, `${where}: baselines`);
  return Object.entries(entries).map(([name, value]) => {
    const at = `${where}: baselines.${name}`;
    const entry = objectAt(value, at);
    const unknown = Object.keys(entry).find(
      (key) => !["tokens", "student_tokens", "tasks", "source"].includes(key),
    );
    if (unknown !== undefined) {
      throw wrong(`${at}.${unknown}`, "only tokens, student_tokens, tasks and source", "an unknown key");
    }
    const { source } = entry;
    if (typeof source !== "string" || source.trim() === "") {
      throw wrong(`${at}.source`, "a text that says where the number comes from", source);
    }
    return {
      name,
      tokens: positiveAt(entry.tokens, `${at}.tokens`),
      studentTokens:
        entry.student_tokens === undefined ? null : positiveAt(entry.student_tokens, `${at}.student_tokens`),
      tasks: tasksAt(entry.tasks ?? [], `${at}.tasks`),
      source,
    };
  });
}

function objectAt(value: unknown, where: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrong(where, "an object", value);
  // Neither null nor an array; its values stay unknown.
  return value as Record<string, unknown>;
}

function positiveAt(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value <= 0) {
    throw wrong(where, "a number of tokens above 0", value);
  }
  return value;
}

function tasksAt(value: unknown, where: string): Task[] {
  if (!Array.isArray(value)) throw wrong(where, `a list of tasks (${TASKS.join(", ")})`, value);
  return value.map((item: unknown, index) => {
    const task = TASKS.find((known) => known === item);
    if (task === undefined) throw wrong(`${where}[${index}]`, `one of ${TASKS.join(", ")}`, item);
    return task;
  });
}

function wrong(where: string, expected: string, found: unknown): MagdiError {
  const shown = found === undefined ? "nothing" : (JSON.stringify(found) ?? String(found)).slice(0, 80);
  return new MagdiError("MAGDI_BAD_CONFIG", `${where}: expected ${expected}, found ${shown}`);
}
