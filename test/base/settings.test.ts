// One schema of settings: what is read off it, where values come from, and how a wrong one is named.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { MagdiError } from "../../src/base/errors.ts";
import {
  bareFlag,
  listOf,
  number,
  oneOf,
  onOff,
  repeated,
  settingFacts,
  someOf,
  text,
  wholeNumber,
} from "../../src/base/settings/kinds.ts";
import { fromEnvironment, fromFile, fromFlags, readSettings } from "../../src/base/settings/read-settings.ts";
import {
  flagOf,
  fromText,
  helpLines,
  settingsOf,
  shownDefault,
  typeOf,
  variableOf,
} from "../../src/base/settings/setting.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const schema = z.object({
  place: text("a folder", "DIR").nullable().default(null).describe("where it is"),
  maxRows: wholeNumber(1, 64).default(8).describe("rows at once\nmore than one"),
  share: number(0, 1).default(0.5).describe("how much"),
  mode: oneOf(["fast", "small"]).default("fast").describe("which way"),
  parts: someOf(["a", "b"]).default(["a", "b"]).describe("which parts"),
  names: listOf("a name", (name) => !name.includes(" "))
    .default([])
    .describe("whose"),
  logAll: onOff().default(false).describe("say all"),
  dryRun: bareFlag().describe("change nothing"),
  from: repeated("a file", "FILE").exactOptional().describe("a file to read (repeatable)"),
  secretKey: text("a key")
    .register(settingFacts, { secret: true })
    .nullable()
    .default(null)
    .describe("the key"),
});

const folder = scratchFolder();
const fileOf = (content: unknown): string => {
  const file = path.join(folder, "settings.json");
  writeFileSync(file, JSON.stringify(content));
  return file;
};
const flags = (given: Record<string, unknown>) => fromFlags(schema, given);
const refused = (message: string, code = "MAGDI_BAD_CONFIG") => ({ name: "MagdiError", code, message });

test("a schema tells names, types, defaults and what is taken, whatever wraps it", () => {
  const settings = new Map(settingsOf(schema).map((setting) => [setting.key, setting]));
  assert.deepEqual(
    [...settings.values()].map(({ key, type }) => [key, type]),
    [
      ["place", "text"],
      ["maxRows", "integer"],
      ["share", "number"],
      ["mode", "one of"],
      ["parts", "list"],
      ["names", "list"],
      ["logAll", "boolean"],
      ["dryRun", "bare flag"],
      ["from", "list"],
      ["secretKey", "text"],
    ],
  );
  const { flag, variable, expected, description } = settings.get("maxRows")!;
  assert.deepEqual(
    [flag, variable, expected, description],
    ["max-rows", "MAGDI_MAX_ROWS", "a whole number from 1 to 64", "rows at once\nmore than one"],
  );
  assert.equal(settings.get("secretKey")?.flag, null);
  assert.deepEqual(
    ["place", "parts", "names", "logAll", "from"].map((key) => shownDefault(settings.get(key)!)),
    ["", "a,b", "", "false", ""],
  );
  assert.deepEqual(
    [flagOf("beta1"), flagOf("top_p"), variableOf("top_p")],
    ["beta1", "top-p", "MAGDI_TOP_P"],
  );
  // The bounds of a number say nothing of its type: a whole number beyond any sample is one.
  assert.equal(typeOf(wholeNumber(500_000).nullable().default(null)), "integer");
  assert.equal(fromText(wholeNumber(500_000), "700000"), 700_000);
});

test("defaults < a file < the environment < flags", () => {
  const file = fromFile(schema, fileOf({ maxRows: 2, share: 0.1, parts: ["b"], names: ["x"] }), "--config");
  const environment = fromEnvironment(schema, { MAGDI_MAX_ROWS: "3", MAGDI_SHARE: "2e-1", MAGDI_MODE: "" });
  const given = flags({ "max-rows": "4", "log-all": "true", "dry-run": true, from: ["a,b"], other: "x" });
  assert.deepEqual(readSettings(schema, [file, environment, given]), {
    place: null,
    maxRows: 4,
    share: 0.2,
    mode: "fast",
    parts: ["b"],
    names: ["x"],
    logAll: true,
    dryRun: true,
    from: ["a,b"],
    secretKey: null,
  });
  assert.deepEqual(readSettings(schema, [flags({ names: "x, y", parts: "" })]).names, ["x", "y"]);
  assert.deepEqual(readSettings(schema, [file, flags({ parts: "" })]).parts, []);
});

test("what is wrong is one line with its place, what was expected and what was found", () => {
  const cases: [Parameters<typeof readSettings>[1][number], string][] = [
    [flags({ "max-rows": "65" }), "--max-rows: expected a whole number from 1 to 64, found 65"],
    [flags({ "max-rows": "1e1" }), '--max-rows: expected a whole number from 1 to 64, found "1e1"'],
    [flags({ "max-rows": "1.5" }), "--max-rows: expected a whole number from 1 to 64, found 1.5"],
    [flags({ share: "most" }), '--share: expected a number from 0 to 1, found "most"'],
    [flags({ "log-all": "yes" }), '--log-all: expected true or false, found "yes"'],
    [flags({ parts: "a,c" }), '--parts: expected some of a, b, found "c"'],
    [flags({ place: "" }), '--place: expected a folder, found ""'],
    [fromEnvironment(schema, { MAGDI_MODE: "big" }), 'MAGDI_MODE: expected one of fast, small, found "big"'],
    [
      { nameOf: (key) => `run: ${key}`, values: { parts: ["a", "c"] } },
      'run: parts: expected some of a, b, found ["a","c"]',
    ],
    [
      { nameOf: (key) => `run: ${key}`, values: { rows: 1 } },
      `run: rows is not a setting: did you mean maxRows? The settings are ${Object.keys(schema.shape).join(", ")}`,
    ],
  ];
  for (const [source, message] of cases) {
    assert.throws(() => readSettings(schema, [source]), refused(message), message);
  }
});

test("a secret is no flag and no key of a file, and no error shows it", () => {
  const long = z.object({
    secretKey: z
      .string()
      .min(9, { error: () => "too short" })
      .register(settingFacts, { secret: true })
      .nullable()
      .default(null),
  });
  assert.equal(readSettings(long, [fromFlags(long, { "secret-key": "long enough" })]).secretKey, null);
  const file = fileOf({ secretKey: "long enough" });
  assert.throws(
    () => fromFile(long, file, "--config"),
    refused(`${file}: secretKey is read from the environment alone, as MAGDI_SECRET_KEY`),
  );
  const environment = fromEnvironment(long, { MAGDI_SECRET_KEY: "short" });
  assert.throws(() => readSettings(long, [environment]), refused("MAGDI_SECRET_KEY: too short"));
});

test("a file that is none, no JSON or no object is named by the flag that named it", () => {
  const none = path.join(folder, "none.json");
  assert.throws(
    () => fromFile(schema, none, "--config"),
    refused(
      `--config ${none}: expected a JSON file of settings, found none that can be read`,
      "MAGDI_FILE_MISSING",
    ),
  );
  const file = fileOf([1]);
  assert.throws(
    () => fromFile(schema, file, "--config"),
    refused(`--config ${file}: expected a JSON object of settings`),
  );
  writeFileSync(file, "{");
  assert.throws(
    () => fromFile(schema, file, "--config"),
    (error) => {
      assert.ok(error instanceof MagdiError && error.code === "MAGDI_BAD_CONFIG");
      assert.match(error.message, /found text that is not JSON$/);
      return true;
    },
  );
});

test("the help text has a line for each setting, its default in it", () => {
  assert.deepEqual(helpLines(schema).split("\n"), [
    "  --place DIR                  where it is",
    "  --max-rows N                 rows at once (default 8)",
    "                               more than one",
    "  --share X                    how much (default 0.5)",
    "  --mode NAME                  which way (default fast)",
    "  --parts LIST                 which parts (default a,b)",
    "  --names LIST                 whose",
    "  --log-all VALUE              say all (default false)",
    "  --dry-run                    change nothing",
    "  --from FILE                  a file to read (repeatable)",
    "  MAGDI_SECRET_KEY (no flag)   the key",
  ]);
  assert.match(helpLines(schema, "VALUE"), /--place VALUE .*\n {2}--max-rows VALUE /);
});
