// The results of a scenario so far: groups of exchanges, checks, figures and memory over time. They can be read at any
// time, so that an interrupted run has a table too.

import type { Exchange } from "../requests/exchange.ts";
import type { LoopDelay } from "../server/server-under-test.ts";
import { Account } from "./account.ts";
import { LoadGroup } from "./load-group.ts";

export interface Check {
  readonly name: string;
  /** exact: must hold on any machine. target: a time or ratio that an idle machine should reach. */
  readonly kind: "exact" | "target";
  readonly passed: boolean;
  /** What was found, and what was expected. */
  readonly detail: string;
}

export interface Figure {
  readonly name: string;
  readonly value: number | null;
  readonly unit: string;
}

export interface MemorySample {
  readonly seconds: number;
  readonly residentBytes: number;
}

export class Results {
  readonly groups: LoadGroup[] = [];
  readonly checks: Check[] = [];
  readonly figures: Figure[] = [];
  readonly memory: MemorySample[] = [];
  /** The client's count over all exchanges of all groups. */
  readonly account = new Account();
  /** Set by scenarios that measure only part of their time; otherwise the runner measures all of it. */
  loopDelay: LoopDelay | null = null;

  /** Begins a group; exchanges added through `record` are counted. */
  group(name: string): LoadGroup {
    const group = new LoadGroup(name);
    this.groups.push(group);
    return group;
  }

  record(group: LoadGroup, exchange: Exchange): void {
    group.add(exchange);
    this.account.add(exchange);
  }

  /** Something that must hold on any machine. */
  expect(name: string, passed: boolean, detail: string): void {
    this.checks.push({ name, kind: "exact", passed, detail });
  }

  /** A time or ratio that an idle machine should reach; null, not measured, misses it. */
  target(
    name: string,
    value: number | null,
    unit: string,
    bound: { atMost: number } | { atLeast: number },
  ): void {
    const most = "atMost" in bound;
    const limit = most ? bound.atMost : bound.atLeast;
    const passed = value !== null && (most ? value <= limit : value >= limit);
    const found = value === null ? "not measured" : `${value.toFixed(2)} ${unit}`.trim();
    const wanted = `${most ? "at most" : "at least"} ${limit} ${unit}`.trim();
    this.checks.push({ name, kind: "target", passed, detail: `${found}, expected ${wanted}` });
    this.figure(name, value, unit);
  }

  figure(name: string, value: number | null, unit: string): void {
    this.figures.push({ name, value, unit });
  }
}
