// Depth of nesting, told before JSON is parsed: brackets in strings do not count, and the bytes are those of the text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeeperThan } from "../../src/base/json-depth.ts";

function depthOf(json: string): number {
  for (let depth = 0; ; depth++) {
    const isDeeper = isDeeperThan(json, depth);
    assert.equal(isDeeperThan(Buffer.from(json), depth), isDeeper, json);
    if (!isDeeper) return depth;
  }
}

test("brackets are counted outside of strings", () => {
  const cases: [json: string, depth: number][] = [
    ["", 0],
    ["5", 0],
    ["{}", 1],
    ['{"a":[{"b":[]}]}', 4],
    ["[[],[],[[]]]", 3],
    ['"[[[["', 0],
    ['{"[":"]{[","a":"\\"[[["}', 1],
    ['{"a":"\\\\","b":[1]}', 2],
    ['{"a":"\\\\\\"[","b":"é[日["}', 1],
    ["[]][[", 1],
    ['"[[', 0],
    ["[[[[", 4],
  ];
  for (const [json, depth] of cases) assert.equal(depthOf(json), depth, json);
});

test("values nested as deep as JSON.stringify makes them have that depth", () => {
  let value: unknown = 'a "[" and a \\';
  for (let depth = 1; depth <= 70; depth++) {
    value = depth % 2 === 0 ? [1, value] : { "}": value };
    assert.equal(depthOf(JSON.stringify(value)), depth);
  }
});
