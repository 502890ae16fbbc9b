// From debate to student as docs/training.md tells it: tiny students debate, one of them behind magdi serve, a student is
// trained on what they said, and served with the debate's cost beside its answers.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MetricsSnapshot } from "../../loadtest/server/metrics-snapshot.ts";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { magdi } from "../support/magdi-command.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { writeTossingBase } from "../support/tossing-base.ts";
import { post, ServeProcess } from "./serve-process.ts";

const scratch = scratchFolder();
const file = (name: string) => path.join(scratch, name);
const QUESTIONS = 12;

const serve = (...args: readonly string[]) => [
  "bin/magdi.js",
  "serve",
  "--port",
  "0",
  "--threads",
  "1",
  ...args,
];

test("three local students debate, and what they said becomes a student that is served", async (t) => {
  writeTossingBase(file("base"));
  await importStudent({ source: file("base"), out: file("tossing"), dtypes: ["fp32"] });
  const questions = Array.from({ length: QUESTIONS }, (_, index) =>
    JSON.stringify({ id: `sum-${index}`, question: `What is ${index} less ${index - 4}?`, answer: "4" }),
  );
  writeFileSync(file("sums.jsonl"), `${questions.join("\n")}\n`);

  const server = new ServeProcess(t, serve("--model", file("tossing")));
  const local = { student: file("tossing"), threads: 1, context_length: 2048, max_tokens: 8 };
  const endpoint = { base_url: await server.ready(), model: "tossing", format: "text", max_tokens: 8 };
  const agents = [
    { name: "one", ...local },
    { name: "two", ...local, temperature: 1 },
    { name: "three", ...endpoint },
  ];
  writeFileSync(file("agents.json"), JSON.stringify({ agents }));
  const debate = ["--agents", file("agents.json"), "--data", file("sums.jsonl"), "--out", file("debates")];
  const debated = await magdi("debate", ...debate);
  assert.equal(debated.code, 0, debated.stderr);
  const journal = readFileSync(path.join(file("debates"), "journal.jsonl"), "utf8");
  const ofThree = journal.split("\n").filter((line) => line.includes('"agent":"three"'));
  const metrics = new MetricsSnapshot(await (await fetch(`${endpoint.base_url}/metrics`)).text());
  assert.ok(ofThree.length >= QUESTIONS);
  assert.equal(
    metrics.sum("magdi_http_responses_total", { endpoint: "/v1/chat/completions" }),
    ofThree.length,
  );

  const data = ["--data", path.join(file("debates"), "mags.jsonl"), "--base", file("base")];
  const settings = ["--epochs", "1", "--batch-size", "6", "--threads", "1", "--no-measure"];
  const trained = await magdi("train", "--recipe", "magdi", ...data, "--out", file("run"), ...settings);
  assert.equal(trained.code, 0, trained.stderr);
  assert.match(trained.stderr, /^11 MAGs, \d+ rows \(\d+ right, \d+ wrong\)/m);

  const baselines = path.join(file("debates"), "baselines.json");
  const student = new ServeProcess(t, serve("--model", file("run"), "--baselines", baselines));
  const url = await student.ready();
  const answer = await post(url, "/v1/reason", { question: "What is 9 less 5?", samples: 2, max_tokens: 8 });
  const body = await answer.text();
  assert.equal(answer.status, 200, body);
  assert.match(body, /12 debates of one, two, three/);
});
