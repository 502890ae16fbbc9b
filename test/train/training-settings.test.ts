// Where a setting's value comes from, what it may be, and how recipes are found.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { flagOf, fromText } from "../../src/base/settings/setting.ts";
import { RECIPES } from "../../src/train/recipes.ts";
import { trainingSettings } from "../../src/train/run/setting-groups.ts";
import {
  resolveSettings,
  settledSettings,
  TRAINING_SETTINGS,
} from "../../src/train/run/training-settings.ts";

const from = (name: string, values: Record<string, unknown>) => ({
  nameOf: (key: string) => `${name}${key}`,
  values,
});

const refused = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MagdiError, String(error));
  assert.equal(error.code, "MAGDI_BAD_CONFIG");
  assert.match(error.message, message);
  return true;
};

test("a later source wins over an earlier one, both over the recipe, it over the defaults", () => {
  const file = from("file: ", { recipe: "magdi-an", seed: 4, losses: ["nll"] });
  const flags = from("--", { seed: 5 });
  const settings = resolveSettings([file, flags]);
  assert.deepEqual([settings.seed, settings.losses, settings.epochs], [5, ["nll"], 10]);
  assert.deepEqual(resolveSettings([from("", { recipe: "magdi-an" })]).losses, ["nll", "margin"]);
});

test("the defaults are the paper's", () => {
  const settings = resolveSettings([]);
  assert.equal(settings.recipe, "magdi");
  const { loraRank, loraAlpha, loraDropout, loraTargets, batchSize, epochs, clipNorm } = settings;
  assert.deepEqual(
    { loraRank, loraAlpha, loraDropout, loraTargets, batchSize, epochs, clipNorm },
    {
      loraRank: 16,
      loraAlpha: 32,
      loraDropout: 0.05,
      loraTargets: ["q_proj", "v_proj"],
      batchSize: 16,
      epochs: 10,
      clipNorm: 1,
    },
  );
  const { nllWeight, marginWeight, nodeWeight, nodeFeatures, lossOnPrompt } = settings;
  assert.deepEqual(
    { nllWeight, marginWeight, nodeWeight, nodeFeatures, lossOnPrompt },
    {
      nllWeight: 1,
      marginWeight: 0.1,
      nodeWeight: 1,
      nodeFeatures: "live",
      lossOnPrompt: false,
    },
  );
});

test("every recipe's settings are settings, and the paper's levels are named", () => {
  for (const { name, settings } of RECIPES) {
    const argument = name.includes("<count>") ? "100" : "gpt-4";
    const full = name.replace(/<\w+>/, argument);
    const resolved: Record<string, unknown> = resolveSettings([from("", { recipe: full })]);
    for (const [key, value] of Object.entries(settings(argument)))
      assert.deepEqual(resolved[key], value, full);
  }
  const levels = RECIPES.filter(({ name }) => /^magdi(-r0|-cn|-an)?$/.test(name)).map(({ level }) => level);
  assert.deepEqual(levels, [1, 2, 3, 4]);
  assert.deepEqual(resolveSettings([from("", { recipe: "sit-gpt-4" })]).agents, ["gpt-4"]);
  assert.equal(resolveSettings([from("", { recipe: "magdi-mags-300" })]).mags, 300);
});

test("what is wrong is named with its place, what was expected and what was found", () => {
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ epochs: 0 }, /^--epochs: expected a whole number from 1, found 0$/],
    [{ learnRate: 1 }, /^--learnRate is not a setting; did you mean learningRate/],
    [{ losses: ["nll", "edge"] }, /^--losses: expected some of nll, margin, node, found \["nll","edge"\]$/],
    [{ dtypes: [] }, /^--dtypes: expected at least one of fp32, fp16, .*, found \[\]$/],
    [{ loraTargets: [] }, /^--loraTargets: expected at least one of q_proj, .*, found \[\]$/],
    [{ loraAlpha: 0 }, /^--loraAlpha: expected a number from -100000 to 100000 other than 0, found 0$/],
    [{ epsilon: 0 }, /^--epsilon: expected a number from 1e-15 to 1, found 0$/],
    [{ leaveOutGraphs: ["dense"] }, /^--leaveOutGraphs: expected a graph type such as G3/],
    [{ recipe: "magdy" }, /^recipe: expected one of base, sft, sit-<agent>, .*, found "magdy"$/],
    [{ recipe: "sit-" }, /^recipe: expected one of .*, found "sit-"$/],
    [
      { recipe: "magdi-mags-few" },
      /^recipe magdi-mags-few: mags: expected a whole number from 1, found null$/,
    ],
  ];
  for (const [values, message] of wrong)
    assert.throws(() => resolveSettings([from("--", values)]), refused(message));
});

test("what is named twice is taken once", () => {
  const { dtypes, loraTargets, losses } = resolveSettings([
    from("--", { dtypes: ["q8", "q4", "q8"], loraTargets: ["v_proj", "v_proj"], losses: ["nll", "nll"] }),
  ]);
  assert.deepEqual([dtypes, loraTargets, losses], [["q8", "q4"], ["v_proj"], ["nll"]]);
});

test("a flag's text becomes the setting's type", () => {
  const cases: [keyof typeof trainingSettings.shape, string, unknown][] = [
    ["learningRate", "2e-4", 2e-4],
    ["epochs", "3", 3],
    ["maxTokens", "64", 64],
    ["losses", "nll, node", ["nll", "node"]],
    ["losses", "", []],
    ["dtypes", "q8,q4", ["q8", "q4"]],
    ["dtypes", "", []],
    ["data", "a.jsonl,b.jsonl", ["a.jsonl", "b.jsonl"]],
    ["lossOnPrompt", "true", true],
    ["recipe", "magdi", "magdi"],
    ["epochs", "three", "three"],
  ];
  for (const [key, text, value] of cases)
    assert.deepEqual(fromText(trainingSettings.shape[key], text), value, key);
});

test("every setting has a flag of its own and says what it means", () => {
  assert.equal(new Set(TRAINING_SETTINGS.map(({ flag }) => flag)).size, TRAINING_SETTINGS.length);
  for (const { key, flag, description } of TRAINING_SETTINGS) {
    assert.match(flag ?? "", /^[a-z][a-z0-9-]*$/);
    assert.equal(flag, flagOf(key));
    assert.ok(description.length > 5, key);
  }
});

test("a base settles how long rows may be", () => {
  const base = { source: "base", config: { positions: 256, hiddenSize: 64 } } as Parameters<
    typeof settledSettings
  >[1]; // all that is read
  assert.equal(settledSettings(resolveSettings([]), base).maxTokens, 256);
  const long = resolveSettings([from("", { maxTokens: 300 })]);
  assert.throws(
    () => settledSettings(long, base),
    refused(/^maxTokens: expected at most the 256 positions of base, found 300$/),
  );
});
