// Which modules get 8 bits: by what they gain for their bytes, and no more than are needed or fit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findMix, type MixSearch, type Unit, unitsOf } from "../../src/student/mix-search.ts";

const quality = (agreement: number) => ({ agreement, positions: 100, perplexity: 9, perplexityFp32: 8 });
const unit = (name: string, bytes: number): Unit => ({ name, modules: [name], bytes });

/** What 8 bits gain by unit, of divergence and of agreement. */
const GAINS: Readonly<Record<string, readonly [divergence: number, agreement: number]>> = {
  large: [0.3, 0.05],
  small: [0.2, 0.04],
  idle: [-0.01, 0],
  middle: [0.1, 0.03],
};
const UNITS = [unit("large", 100), unit("small", 10), unit("idle", 10), unit("middle", 40)];

function search(options: Partial<MixSearch>) {
  const measured: string[] = [];
  const sum = (units: readonly Unit[], of: 0 | 1): number =>
    units.reduce((total, { name }) => total + GAINS[name]![of], 0);
  const names = (units: readonly Unit[]): string => units.map(({ name }) => name).join("+");
  const found = findMix({
    units: UNITS,
    agreement: 0.97,
    spareBytes: Number.POSITIVE_INFINITY,
    divergenceOf: async (units) => {
      measured.push(`divergence ${names(units)}`);
      return 1 - sum(units, 0);
    },
    qualityOf: async (units) => {
      measured.push(`quality ${names(units)}`);
      return quality(0.9 + sum(units, 1));
    },
    ...options,
  });
  return found.then(({ inEight, quality, plain }) => ({
    names: names(inEight),
    agreement: Number(quality.agreement.toFixed(4)),
    plain: Number(plain.agreement.toFixed(4)),
    measured,
  }));
}

test("those that gain most for their bytes get 8 bits, until agreement is enough", async () => {
  // For a byte small gains 0.02, large 0.003, middle 0.0025.
  const { names, agreement, plain } = await search({});
  assert.deepEqual([names, agreement, plain], ["small+large", 0.99, 0.9]);
  assert.deepEqual((await search({ agreement: 0.94 })).names, "small");
  assert.deepEqual((await search({ agreement: 1 })).names, "small+large+middle");
});

test("what agrees enough in 4 bits stays as it is, and nothing is looked for", async () => {
  const { names, measured } = await search({ agreement: 0.9 });
  assert.deepEqual([names, measured], ["", ["quality "]]);
});

test("no more than fits gets 8 bits, and all that fits where that is not enough", async () => {
  const { names, agreement } = await search({ spareBytes: 50 });
  assert.deepEqual([names, agreement], ["small+middle", 0.97]);
  assert.deepEqual((await search({ spareBytes: 45 })).names, "small+idle");
  assert.deepEqual((await search({ spareBytes: 9 })).measured, ["quality "]);
});

test("8 bits that bring no agreement are left", async () => {
  const { names } = await search({ units: [unit("idle", 10)] });
  assert.equal(names, "");
});

test("units are the kinds of products in quarters of the layers, without what 8 bits would not change", () => {
  const config = { layers: 6 };
  const units = unitsOf(config, (modules) =>
    modules[0]!.endsWith("down_proj") && !modules[0]!.includes("layers.2.") ? 5 : 0,
  );
  const down = (...layers: number[]) => layers.map((layer) => `model.layers.${layer}.mlp.down_proj`);
  assert.deepEqual(units, [
    { name: "down in layer 0", modules: down(0), bytes: 5 },
    { name: "down in layers 1 to 2", modules: down(1), bytes: 5 },
    { name: "down in layer 3", modules: down(3), bytes: 5 },
    { name: "down in layers 4 to 5", modules: down(4, 5), bytes: 10 },
  ]);
  const [first] = unitsOf({ layers: 1 }, () => 1);
  assert.equal(first?.name, "query, key and value in layer 0");
  assert.deepEqual(
    first?.modules,
    ["q", "k", "v"].map((kind) => `model.layers.0.self_attn.${kind}_proj`),
  );
});
