// Tries a regular expression on hostile texts: whether its time grows faster than the text. It knows nothing of tokenizers.

import { TimeLimitError, withinTime } from "../base/time-limit.ts";
import { type HostileText, hostileTexts } from "./hostile-texts.ts";

/** Those of published models have up to some thousand. */
export const MAX_PATTERN_CHARACTERS = 20_000;
const MAX_TEXTS = 2000;
/** Exponential time shows in short texts, some of it only at certain lengths; of these all texts are tried. */
const SHORT_UNITS = [12, 20, 28, 40, 400];
/** Quadratic time shows in long ones, of which the texts that took longest before are tried. Linear expressions take some
 * 50 ns a unit. */
const LONG_UNITS = 30_000;
const LONG_TEXTS = 6;
const BUILD_MS = 2000;
/** For all texts of one length, and for each unit of them. */
const SHORT_MS = 250;
const SHOWN_UNITS = 20;
const UNIT_MS = 0.001;
/** For one text: a linear expression takes 0.02 ms for a short one, and two for a long one. */
const ATTEMPTS = 3;
const MAX_ATTEMPTS = 50;
const SHORT_TEXT_MS = 5;
const LONG_TEXT_MS = 200;

/** Null for an expression that took no more time than it may, else what was found. It must compile: see findUncompilable. */
export function tryPattern(pattern: RegExp): string | null {
  let texts: HostileText[];
  try {
    texts = withinTime(BUILD_MS, () => hostileTexts(pattern, MAX_TEXTS));
  } catch (cause) {
    return `no texts to try it on could be made: ${String(cause)}`;
  }
  const times = new Map<HostileText, number>();
  const slowest = () => [...times].sort((a, b) => b[1] - a[1]).map(([text]) => text);
  for (const units of SHORT_UNITS) {
    times.clear();
    // All under one limit, as setting one takes longer than most texts.
    within(SHORT_MS + texts.length * units * UNIT_MS, () => {
      for (const text of texts) {
        times.set(text, Number.POSITIVE_INFINITY); // until it is done
        const start = performance.now();
        matchAll(pattern, spelled(text, units));
        times.set(text, performance.now() - start);
      }
    });
    const slow = slowest()
      .slice(0, 2)
      .find((text) => times.get(text)! > SHORT_TEXT_MS && isSlow(pattern, text, units, SHORT_TEXT_MS));
    if (slow !== undefined) return slowText(slow, units, SHORT_TEXT_MS);
  }
  const slow = slowest()
    .slice(0, LONG_TEXTS)
    .find((text) => isSlow(pattern, text, LONG_UNITS, LONG_TEXT_MS));
  return slow === undefined ? null : slowText(slow, LONG_UNITS, LONG_TEXT_MS);
}

/** By the processor's time, as this process may have to wait for a processor longer than the limit; tried again, as the first
 * time may go to compiling. */
function isSlow(pattern: RegExp, text: HostileText, units: number, limitMs: number): boolean {
  const spelledOut = spelled(text, units);
  const start = process.cpuUsage();
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (within(limitMs, () => matchAll(pattern, spelledOut))) return false;
    if (process.cpuUsage(start).user / 1000 > ATTEMPTS * limitMs) return true;
  }
  return true;
}

function slowText(text: HostileText, units: number, limitMs: number): string {
  const length = spelled(text, units).length;
  const shown = JSON.stringify(spelled(text, SHOWN_UNITS));
  return `it takes more than ${limitMs} ms for ${length} characters such as ${shown}`;
}

/** Whether the work was done in time. */
function within(limitMs: number, work: () => void): boolean {
  try {
    withinTime(limitMs, work);
    return true;
  } catch (error) {
    if (error instanceof TimeLimitError) return false;
    throw error;
  }
}

/** As a tokenizer splits a text. */
function matchAll(pattern: RegExp, text: string): void {
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    if (match[0] === "") pattern.lastIndex += 1;
  }
}

function spelled({ head, pump, tail }: HostileText, units: number): string {
  return head + pump.repeat(Math.ceil(units / pump.length)) + tail;
}
