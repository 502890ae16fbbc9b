// Parsing a command's arguments: flags, positional arguments, and the errors for wrong ones.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { bareFlag, files, listOf, repeated, text, wholeNumber } from "../../src/base/settings/kinds.ts";
import { parseFlags, usageError, withSubcommands } from "../../src/cli/command.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const FLAGS = z.object({
  out: text("a file", "FILE").exactOptional(),
  maxRows: wholeNumber(1).default(8),
  exclude: repeated("a file", "FILE").default([]),
  noMeasure: bareFlag(),
});

test("flags become values by key, and what was given is told apart from defaults", () => {
  const argv = ["a", "--exclude", "x,y", "--out=o", "b", "--exclude", "z", "--no-measure"];
  const { values, given, typed, words } = parseFlags("do", argv, FLAGS, { words: true });
  assert.deepEqual(values, { out: "o", maxRows: 8, exclude: ["x,y", "z"], noMeasure: true });
  assert.deepEqual(given, { out: "o", exclude: ["x,y", "z"], noMeasure: true });
  assert.deepEqual({ ...typed }, { out: "o", exclude: ["x,y", "z"], "no-measure": true });
  assert.deepEqual(words, ["a", "b"]);
  assert.deepEqual(parseFlags("do", [], FLAGS).values, { maxRows: 8, exclude: [] });
});

test("what is not understood is one line that names the flag and the help to read", () => {
  for (const [argv, message] of [
    [["--rows", "1"], /^Unknown option '--rows', did you mean --max-rows\?; see: magdi do --help$/],
    [["--out"], /^Option '--out <value>' argument missing; see: magdi do --help$/],
    [["word"], /^Unexpected argument 'word'; see: magdi do --help$/],
    [["--no-measure=yes"], /^Option '--no-measure' does not take an argument; see: magdi do --help$/],
    [["--max-rows", "0"], /^--max-rows: expected a whole number from 1, found 0$/],
  ] as const) {
    assert.throws(() => parseFlags("do", argv, FLAGS), { code: "MAGDI_BAD_CONFIG", message });
  }
  assert.equal(usageError("do", "one FILE").message, "expected one FILE, see: magdi do --help");
});

test("files are named one after another, flag by flag, or with commas, everywhere alike", () => {
  const schema = z.object({ data: files("a file").default([]), json: text("a file").exactOptional() });
  const comma = path.join(scratchFolder(), "a,b.jsonl");
  writeFileSync(comma, "");
  for (const [argv, data] of [
    [
      ["--data", "a", "b"],
      ["a", "b"],
    ],
    [
      ["--data", "a", "--json", "o", "--data", "b"],
      ["a", "b"],
    ],
    [
      ["--data=a", "b", "--json=o"],
      ["a", "b"],
    ],
    [
      ["--data", "a,b", "c"],
      ["a", "b", "c"],
    ],
    [
      ["--data", comma, "c"],
      [comma, "c"],
    ],
    [
      ["--data", "c", `${comma}`],
      ["c", comma],
    ],
  ] as const) {
    assert.deepEqual(parseFlags("do", argv, schema).values.data, data, argv.join(" "));
  }
  assert.throws(() => parseFlags("do", ["--data", "a", "--json", "o", "b"], schema), {
    message: /^Unexpected argument 'b'/,
  });
  const { values, words } = parseFlags("do", ["w", "--data", "a", "--", "x"], schema, { words: true });
  assert.deepEqual([values.data, words], [["a"], ["w", "x"]]);
});

test("a list that is given in parts is one list", () => {
  const schema = z.object({ agents: listOf("an agent").default([]) });
  const { agents } = parseFlags("do", ["--agents", "a,b", "--agents", "c"], schema).values;
  assert.deepEqual(agents, ["a", "b", "c"]);
});

test("near misses of names are suggested, others are not", () => {
  const schema = z.object({
    learningRate: text().exactOptional(),
    loraRank: text().exactOptional(),
    out: text().exactOptional(),
    epochs: text().exactOptional(),
  });
  for (const [given, meant] of [
    ["learning_rate", "learning-rate"],
    ["learningRate", "learning-rate"],
    ["lerning-rate", "learning-rate"],
    ["learning-rates", "learning-rate"],
    ["lora-r", "lora-rank"],
    ["lora", "lora-rank"],
    ["otu", "out"],
    ["output-dir", "out"],
    ["num_train_epochs", "epochs"],
    ["epoch", "epochs"],
  ] as const) {
    assert.throws(() => parseFlags("do", [`--${given}`, "1"], schema), {
      code: "MAGDI_BAD_CONFIG",
      message: `Unknown option '--${given}', did you mean --${meant}?; see: magdi do --help`,
    });
  }
  for (const given of ["colour", "x", "constructor"]) {
    assert.throws(() => parseFlags("do", [`--${given}`, "1"], schema), {
      message: `Unknown option '--${given}'; see: magdi do --help`,
    });
  }
});

test("a subcommand that is nearly written is suggested, and others are the command's own arguments", async () => {
  const ran: string[] = [];
  const runs = (name: string) => async (argv: readonly string[]) => {
    ran.push([name, ...argv].join(" "));
    return 0;
  };
  const command = withSubcommands(
    { name: "do", summary: "", help: "", run: runs("do") },
    { report: async () => ({ help: "", run: runs("report") }) },
  );
  await command.run(["report", "x"]);
  await command.run(["--reprot"]);
  await command.run(["other"]);
  assert.deepEqual(ran, ["report x", "do --reprot", "do other"]);
  await assert.rejects(command.run(["reprot"]), {
    code: "MAGDI_BAD_CONFIG",
    message: 'unknown command "reprot", did you mean report?; see: magdi do --help',
  });
});
