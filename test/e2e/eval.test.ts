// magdi eval as users type it: against a server, interrupted and gone on with, compared, repeated; and the shipped
// student in this process and over HTTP.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { ServerProcess } from "../../loadtest/server/server-process.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { ServeProcess, TINY } from "./serve-process.ts";

const folder = scratchFolder();
const text = (name: string) => readFileSync(path.join(folder, name), "utf8");

function magdi(t: TestContext, ...args: readonly string[]): ServerProcess {
  const started = new ServerProcess(["bin/magdi.js", "eval", ...args]);
  t.after(async () => {
    started.kill("SIGKILL");
    await started.exited;
  });
  return started;
}

async function done(t: TestContext, ...args: readonly string[]): Promise<ServerProcess> {
  const finished = magdi(t, ...args);
  assert.equal(await finished.exited, 0, finished.stderr);
  return finished;
}

function questions(name: string, records: readonly object[]): string {
  const file = path.join(folder, name);
  writeFileSync(file, records.map((record) => JSON.stringify(record)).join("\n"));
  return file;
}

test("a server is evaluated, the run interrupted, gone on with, compared and repeated", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0"]);
  const url = await server.ready();
  const data = questions(
    "tiny.jsonl",
    Array.from({ length: 40 }, (_, index) => ({
      id: `q${index}`,
      question: `How many? {{${"[abc] ".repeat(20)} the answer is [45].}}`,
      answer: 4,
    })),
  );
  const out = (name: string) => path.join(folder, name);
  const asked = ["--model", url, "--data", data, "--samples", "3"];
  await done(t, ...asked, "--json", out("whole.json"));
  const report = JSON.parse(text("whole.json"));
  assert.equal(report.results[0].questions, 40);
  assert.equal(report.results[0].accuracy_ci95.length, 2);

  const cut = magdi(t, ...asked, "--json", out("cut.json"), "--concurrency", "1");
  while (!/questions: \d/.test(cut.stderr)) await once(cut.child.stderr!, "data");
  cut.kill("SIGINT");
  assert.equal(await cut.exited, 130, cut.stderr);
  assert.match(
    cut.stderr,
    /stopped with \d+ of 40 questions answered; run the same command again to continue/,
  );
  assert.ok(!existsSync(out("cut.json")));
  await done(t, ...asked, "--json", out("cut.json"), "--concurrency", "1");
  assert.equal(text("cut.json"), text("whole.json"));
  assert.equal(text("cut.answers.jsonl"), text("whole.answers.jsonl"));

  const killed = magdi(t, ...asked, "--json", out("killed.json"), "--concurrency", "1");
  while (!/questions: \d/.test(killed.stderr)) await once(killed.child.stderr!, "data");
  killed.kill("SIGKILL");
  await killed.exited;
  await done(t, ...asked, "--json", out("killed.json"));
  assert.equal(text("killed.json"), text("whole.json"));

  const again = await done(t, "rerun", out("whole.json"));
  assert.match(again.stdout, /the same answers/);
  assert.equal(text("whole.rerun.json"), text("whole.json"));

  await done(t, ...asked, "--seed", "1", "--json", out("other.json"));
  const compared = await done(
    t,
    "compare",
    out("whole.json"),
    out("other.json"),
    "--json",
    out("compared.json"),
  );
  assert.match(compared.stdout, /\| tiny \| 40 \|/);
  const [{ p, interval, difference }] = JSON.parse(text("compared.json")).results;
  assert.ok(p > 0 && p <= 1 && interval[0] <= difference && difference <= interval[1]);
  await done(
    t,
    "report",
    `first=${out("whole.json")}`,
    `second=${out("other.json")}`,
    "--out",
    out("both.md"),
  );
  assert.match(text("both.md"), /\| tiny \| second \| 40 \|/);
  assert.match(text("both.tokens.svg"), /second/);
});

test("what is not understood is said in one line", async (t) => {
  const data = questions("broken.jsonl", [{ question: "?" }]);
  for (const [args, message] of [
    [["--data", data], /expected --data FILE... and --json OUT/],
    [
      ["--data", data, "--json", "x.json", "--samples", "0"],
      /--samples: expected a whole number from 1, found 0/,
    ],
    [["--data", data, "--json", "x.json"], /broken\.jsonl:1: answer: expected a text/],
    [["--data", "nothing.jsonl", "--json", "x.json"], /nothing\.jsonl: expected a file of questions/],
    [["compare", "one.json"], /expected two reports/],
    [
      ["--data", data, "--json", "x.json", "--on-bad-line", "skip"],
      /expected questions with use "eval", found none/,
    ],
  ] as const) {
    const failed = magdi(t, ...args);
    assert.notEqual(await failed.exited, 0);
    assert.match(failed.stderr, message);
    assert.doesNotMatch(failed.stderr, /\n\s+at /);
  }
});

test("the shipped student answers the same in this process and over HTTP", async (t) => {
  const data = questions("gsm8k.jsonl", [
    { id: "a", question: "Tom has 3 apples and buys 4 more. How many apples has he now?", answer: "7" },
    { id: "b", question: "A box holds 12 eggs. How many eggs do 3 boxes hold?", answer: "36" },
  ]);
  const asked = ["--data", data, "--samples", "2", "--max-tokens", "16", "--seed", "5"];
  await done(t, ...asked, "--json", path.join(folder, "here.json"));
  const server = new ServeProcess(t, ["bin/magdi.js", "serve", "--port", "0"]);
  await done(t, ...asked, "--model", await server.ready(), "--json", path.join(folder, "there.json"));
  assert.equal(text("there.answers.jsonl"), text("here.answers.jsonl"));
  const [here, there] = ["here.json", "there.json"].map((name) => JSON.parse(text(name)));
  assert.deepEqual(there.results, here.results);
  assert.deepEqual(there.model.files, here.model.files);
  assert.ok(Object.keys(here.model.files).length > 5);
});
