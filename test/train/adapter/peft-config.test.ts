// adapter_config.json as PEFT reads it: which modules it adapts, with which ranks and scales, held to what PEFT makes of the
// same configurations; and that no field is overlooked.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MagdiError } from "../../../src/base/errors.ts";
import { PeftConfig } from "../../../src/train/adapter/peft-config.ts";
import { ADAPTER_CONFIG_FIELDS } from "../../../src/train/adapter/peft-fields.ts";
import { fixture } from "../../support/scratch-folder.ts";

interface Recorded {
  /** Of PEFT's LoraConfig. */
  readonly fields: readonly string[];
  /** Linear modules of the model that the cases were recorded with, and its embedding. */
  readonly names: readonly string[];
  readonly cases: readonly {
    readonly config: Readonly<Record<string, unknown>>;
    /** Rank and scale by module; null where PEFT refuses the configuration. */
    readonly modules: Readonly<Record<string, readonly [rank: number, scale: number]>> | null;
  }[];
}
const { fields, names, cases }: Recorded = JSON.parse(
  readFileSync(fixture("adapters", "expected.json"), "utf8"),
);

const open = (config: Readonly<Record<string, unknown>>): PeftConfig =>
  new PeftConfig("adapter_config.json", { peft_type: "LORA", ...config });

/** By module, or the error. */
function modulesOf(config: Readonly<Record<string, unknown>>): Record<string, number[]> | MagdiError {
  try {
    const peft = open(config);
    const modules = names.filter((name) => peft.adapts(name));
    return Object.fromEntries(modules.map((name) => [name, [peft.rank(name), peft.scale(name)]]));
  } catch (error) {
    assert.ok(error instanceof MagdiError, String(error));
    return error;
  }
}

test("modules, ranks and scales are PEFT's, and what PEFT refuses is refused or adapts nothing", () => {
  assert.ok(cases.length > 80);
  for (const { config, modules } of cases) {
    const found = modulesOf(config);
    const about = JSON.stringify(config);
    if (found instanceof MagdiError) assert.equal(modules, null, `${about}: ${found.message}`);
    // PEFT refuses what matches no module when a model is adapted; here that is said when the tensors are read.
    else assert.deepEqual(found, modules ?? {}, about);
  }
});

test("every field of PEFT's LoraConfig is in the table, once", () => {
  const known = ADAPTER_CONFIG_FIELDS.map(({ field }) => field);
  assert.deepEqual(
    fields.filter((field) => !known.includes(field)),
    [],
  );
  assert.equal(new Set(known).size, known.length);
  for (const { field, meaning } of ADAPTER_CONFIG_FIELDS) assert.ok(meaning.length > 3, field);
});

test("each refused field is refused where it is set, and nothing is said where it is not", () => {
  const set: Readonly<Record<string, unknown>> = {
    init_lora_weights: "pissa",
    bias: "all",
    modules_to_save: ["lm_head"],
    layer_replication: [[0, 2]],
  };
  for (const { field } of ADAPTER_CONFIG_FIELDS.filter(({ treatment }) => treatment === "refused")) {
    assert.throws(
      () => open({ [field]: set[field] ?? { some: 1 } }),
      (error) =>
        error instanceof MagdiError &&
        error.code === "MAGDI_UNSUPPORTED" &&
        error.message.includes(`\n  ${field}: `),
      field,
    );
    for (const unset of [null, false, [], {}, ""]) {
      if (field !== "init_lora_weights" || unset === null || unset === false) {
        assert.deepEqual(open({ [field]: unset }).notes, [], `${field}: ${JSON.stringify(unset)}`);
      }
    }
  }
  for (const task of ["SEQ_CLS", "FEATURE_EXTRACTION"]) {
    assert.throws(() => open({ task_type: task }), /task_type: the adapter is for another kind of model/);
  }
  for (const init of ["olora", "PiSSA_niter_4", "corda", "loftq", "lora_ga", "something_new"]) {
    assert.throws(() => open({ init_lora_weights: init }), /changes the base's own weights/, init);
  }
  for (const init of [true, false, null, "gaussian", "Gaussian", "eva", "orthogonal", "mica"]) {
    open({ init_lora_weights: init });
  }
});

test("an ignored field says nothing, an unknown one is named where it is set", () => {
  for (const { field } of ADAPTER_CONFIG_FIELDS.filter(({ treatment }) => treatment === "ignored")) {
    assert.deepEqual(open({ [field]: true }).notes, [], field);
  }
  const { notes } = open({ scale_by_moon: "full", unset: null, off: false, none: [] });
  assert.equal(notes.length, 1);
  assert.match(
    notes[0]!,
    /a field that is not known, scale_by_moon: "full"; it was read as if it changed nothing/,
  );
});

test("expressions that cannot be read are named with their field", () => {
  for (const [config, code, message] of [
    [
      { target_modules: "(.*q_proj" },
      "MAGDI_BAD_FILE",
      /target_modules: expected one of Python's .*unterminated/,
    ],
    [{ exclude_modules: "*" }, "MAGDI_BAD_FILE", /exclude_modules: .*nothing to repeat/],
    [{ rank_pattern: { "(?i)q": 3 } }, "MAGDI_BAD_FILE", /rank_pattern: .*global flags not at the start/],
    [
      { target_modules: "(?P<a>q)_(?P=a)" },
      "MAGDI_UNSUPPORTED",
      /can be read here, found .*references to groups/,
    ],
    [
      { layers_to_transform: [0], layers_pattern: "(" },
      "MAGDI_BAD_FILE",
      /layers_pattern: expected one of Python's/,
    ],
    [
      { target_modules: "(a*)*(a*)*(a*)*(a*)*(a*)*b|(.*.*.*.*.*.*.*.*)*x" },
      "MAGDI_BAD_FILE",
      /matched in a moment/,
    ],
  ] as const) {
    const found = modulesOf(config);
    assert.ok(found instanceof MagdiError, JSON.stringify(config));
    assert.equal(found.code, code);
    assert.match(found.message, message);
  }
});
