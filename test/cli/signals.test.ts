// Signals to a command that runs for long: the first asks it to stop, a second ends it at once, an echo of npm's is none.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { StopSignals } from "../../src/cli/signals.ts";
import { ManualClock } from "../support/manual-clock.ts";

function taken() {
  const exits: unknown[] = [];
  const asked: string[] = [];
  const exit = (code?: unknown): never => void exits.push(code) as never; // the process would end
  const process = Object.assign(new EventEmitter(), { exit });
  const clock = new ManualClock();
  const signals = new StopSignals((name) => asked.push(name), process, clock);
  return { signals, process, clock, exits, asked };
}

test("the first signal asks to stop, once, and decides the exit code", () => {
  const { signals, process, exits, asked } = taken();
  assert.deepEqual([signals.signal.aborted, signals.exitCode], [false, 0]);
  process.emit("SIGTERM", "SIGTERM");
  assert.deepEqual([signals.signal.aborted, signals.exitCode], [true, 143]);
  assert.deepEqual([asked, exits], [["SIGTERM"], []]);
});

test("a second signal ends the process at once with its own code", () => {
  const { process, clock, exits, asked } = taken();
  process.emit("SIGTERM", "SIGTERM");
  process.emit("SIGINT", "SIGINT");
  assert.deepEqual([asked, exits], [["SIGTERM"], [130]]);
  const later = taken();
  later.process.emit("SIGINT", "SIGINT");
  later.clock.advance(50);
  later.process.emit("SIGINT", "SIGINT");
  assert.deepEqual(later.exits, [], "the same key press");
  later.clock.advance(1);
  later.process.emit("SIGINT", "SIGINT");
  assert.deepEqual(later.exits, [130]);
  assert.equal(clock.pendingTimers, 0);
});

test("closed, it leaves signals alone", () => {
  const { signals, process, asked } = taken();
  signals.close();
  process.emit("SIGINT", "SIGINT");
  assert.deepEqual([asked, signals.exitCode, process.listenerCount("SIGTERM")], [[], 0, 0]);
});
