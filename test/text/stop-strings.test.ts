import assert from "node:assert/strict";
import { test } from "node:test";
import { StopStringFilter } from "../../src/text/stop-strings.ts";
import { SeededRandom } from "./seeded-random.ts";

/** The definition on the whole text: the earliest start, of those the shortest. */
function cut(text: string, stops: readonly string[]): { text: string; stopped: string | null } {
  let start = text.length;
  let stopped: string | null = null;
  for (const stop of stops) {
    const at = text.indexOf(stop);
    if (at < 0 || at > start || (at === start && stopped !== null && stop.length >= stopped.length)) continue;
    start = at;
    stopped = stop;
  }
  return { text: text.slice(0, start), stopped };
}

function run(pieces: readonly string[], stops: readonly string[]): { text: string; stopped: string | null } {
  const filter = new StopStringFilter(stops);
  let text = "";
  let stopped: string | null = null;
  for (const piece of pieces) {
    const out = filter.push(piece);
    assert.ok(stopped === null || out.text === "", "nothing comes out after the end");
    text += out.text;
    stopped ??= out.stopped;
  }
  const rest = filter.finish();
  return { text: text + rest.text, stopped: stopped ?? rest.stopped };
}

function cutUp(text: string, random: SeededRandom): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    const length = random.below(5);
    pieces.push(text.slice(at, at + length));
    at += length;
  }
  return pieces;
}

test("any cutting of any text ends where the whole text does", () => {
  const random = new SeededRandom(3);
  const word = (letters: string, length: number): string =>
    Array.from({ length }, () => random.pick([...letters])).join("");
  let stoppedCount = 0;
  for (let round = 0; round < 20_000; round++) {
    const letters = random.pick(["ab", "abc", "a\n😀"]);
    const stops = Array.from({ length: 1 + random.below(4) }, () => word(letters, 1 + random.below(6)));
    const text = word(letters, random.below(40));
    const pieces = cutUp(text, random);
    const wanted = cut(text, stops);
    assert.deepEqual(run(pieces, stops), wanted, JSON.stringify({ text, stops, pieces }));
    if (wanted.stopped !== null) stoppedCount++;
  }
  assert.ok(stoppedCount > 1000);
});

test("text is held only while it may begin a stop string", () => {
  const filter = new StopStringFilter(["\n\nQ:", "END"]);
  assert.deepEqual(filter.push("It is 4.\n"), { text: "It is 4.", stopped: null });
  assert.deepEqual(filter.push("\n"), { text: "", stopped: null });
  assert.deepEqual(filter.push("So E"), { text: "\n\nSo ", stopped: null });
  assert.deepEqual(filter.push("NTER E"), { text: "ENTER ", stopped: null });
  assert.deepEqual(filter.push("ND more"), { text: "", stopped: "END" });
  assert.deepEqual(filter.push("x"), { text: "", stopped: null });
  assert.deepEqual(filter.finish(), { text: "", stopped: null });
});

test("a stop string ends the text at once unless one that began before it may still be completed", () => {
  const filter = new StopStringFilter(["\n\nQ", "\n"]);
  assert.deepEqual(filter.push("a\n"), { text: "a", stopped: "\n" });
  const overlapping = new StopStringFilter(["abcd", "bc"]);
  assert.deepEqual(overlapping.push("xabc"), { text: "x", stopped: null });
  assert.deepEqual(overlapping.finish(), { text: "a", stopped: "bc" });
});

test("without stop strings everything passes; an empty one is refused", () => {
  assert.deepEqual(run(["a", "", "b"], []), { text: "ab", stopped: null });
  assert.throws(() => new StopStringFilter(["a", ""]), { code: "MAGDI_BAD_REQUEST", param: "stop" });
});
