// Whole evaluations over the real engine with the scripted model: equal files for equal seeds, whatever was cut in
// between and whoever was asked.

import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Asker } from "../../src/eval/asker.ts";
import { markdownPage } from "../../src/eval/markdown.ts";
import { openAsker } from "../../src/eval/open-asker.ts";
import { readAnswers, readReport, runFiles } from "../../src/eval/report.ts";
import { type Json, runTiny } from "../server/support/running-app.ts";
import { tinyStudent } from "../server/support/tiny-student.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { QUESTIONS, run, scripted, settings, tinyAsker } from "./support/answering.ts";

const folder = scratchFolder();
const text = (name: string) => readFileSync(path.join(folder, name), "utf8");

function here(): Asker {
  return tinyAsker(tinyStudent({ maxWaitingSamples: 1000 }), settings());
}

function server(url: string, api: "auto" | "chat" = "auto", asked = settings()): Promise<Asker> {
  const student = { device: "cpu", dtype: null, threads: null, batchRows: 8, contextLength: null } as const;
  return openAsker({ ...student, model: url, api, modelName: null, apiKey: null, concurrency: null }, asked);
}

test("a run's report counts what was answered", async () => {
  const { report } = await run(folder, "counted", here());
  const [tiny, other] = report.results;
  assert.equal(report.results.length, 2);
  assert.equal(tiny?.questions, 7);
  assert.equal(tiny?.samples, 5);
  assert.equal(tiny?.unparsed, 0);
  const answers = readAnswers(
    path.join(folder, "counted.json"),
    readReport(path.join(folder, "counted.json")),
  );
  assert.deepEqual(
    answers.map(({ id }) => id),
    QUESTIONS.map(({ id }) => id),
  );
  assert.equal(tiny?.correct, answers.filter(({ dataset, correct }) => dataset === "tiny" && correct).length);
  const samples = answers.flatMap((record) => (record.dataset === "tiny" ? record.samples : []));
  const right = samples.filter(({ answer }) => answer === "4").length;
  assert.ok(Math.abs((tiny?.accuracy_by_samples[0]?.accuracy ?? 0) - right / samples.length) < 1e-9);
  assert.equal(tiny?.accuracy_by_samples.length, 5);
  assert.ok(Math.abs((tiny?.accuracy_by_samples[4]?.accuracy ?? 0) - (tiny?.accuracy ?? 1)) < 1e-9);
  assert.equal(tiny?.early_stop?.exact.agreement, 1);
  assert.ok((tiny?.early_stop?.exact.tokens_saved ?? 0) > 0);
  // Five samples of "who knows", and five that go on for ever.
  assert.equal(other?.unparsed, 1);
  assert.equal(other?.length_stops, 0.5);
  assert.equal(other?.unanswered, 1);
  assert.equal(tiny?.debate.baseline, "gsm8k");
  for (const file of ["md", "tokens.svg", "samples.svg", "reliability.svg", "timing.json", "answers.jsonl"]) {
    assert.ok(text(`counted.${file}`).length > 100, file);
  }
  assert.match(text("counted.tokens.svg"), /^<svg/);
  assert.ok(!existsSync(path.join(folder, "counted.partial.jsonl")));
});

test("samples that run on into another question are counted, and read up to there", async () => {
  const questions = [
    scripted("runs", "The answer is 4. Question: Why? The answer is 5.", "4"),
    scripted("stops", "The answer is 4.", "4"),
  ];
  const { report } = await run(folder, "runs", here(), { questions });
  assert.equal(report.results[0]?.accuracy, 1);
  assert.equal(report.results[0]?.run_ons, 0.5);
  const row = text("runs.md")
    .split("\n")
    .find((line) => line.startsWith("| tiny"));
  const head = text("runs.md")
    .split("\n")
    .find((line) => line.includes("| run on |"));
  const column = head?.split(" | ").indexOf("run on") ?? -1;
  assert.equal(row?.split(" | ")[column], "50.0");
});

test("equal seeds give equal files, other seeds other answers", async () => {
  await run(folder, "one", here());
  await run(folder, "two", here());
  const ofOne = readdirSync(folder).filter((name) => name.startsWith("one.") && !name.includes("timing"));
  assert.ok(ofOne.length >= 6);
  for (const name of ofOne)
    assert.equal(text(name.replace("one", "two")).replaceAll("two.", "one."), text(name), name);
  await run(folder, "three", here(), { settings: settings({ seed: 4 }) });
  assert.notEqual(text("three.answers.jsonl"), text("one.answers.jsonl"));
});

test("a question's answer does not depend on the questions beside it", async () => {
  await run(folder, "alone", here(), { questions: QUESTIONS.slice(3, 4) });
  assert.ok(text("one.answers.jsonl").split("\n").includes(text("alone.answers.jsonl").trim()));
});

test("a run that was cut and goes on comes to the same files, half a line and all", async () => {
  const stop = new AbortController();
  const onProgress = ({ done }: { done: number }) => {
    if (done === 3) stop.abort();
  };
  await assert.rejects(run(folder, "cut", here(), { signal: stop.signal, onProgress }), {
    code: "MAGDI_CANCELLED",
  });
  const { journal, report } = runFiles(path.join(folder, "cut.json"));
  assert.ok(!existsSync(report));
  const kept = readFileSync(journal, "utf8").split("\n").length - 2;
  assert.ok(kept >= 3 && kept < QUESTIONS.length, `${kept} answers were kept`);
  appendFileSync(journal, '{"at":1,"session":0,"rec');
  let asked = 0;
  const asker = here();
  const counting: Asker = {
    ...asker,
    ask: (...given) => {
      asked += 1;
      return asker.ask(...given);
    },
  };
  await run(folder, "cut", counting);
  assert.equal(asked, QUESTIONS.length - kept);
  for (const file of ["json", "answers.jsonl", "md"]) {
    assert.equal(text(`cut.${file}`).replaceAll("cut.", "one."), text(`one.${file}`), file);
  }
});

test("a run that was cut before its first answer begins again", async () => {
  const stop = new AbortController();
  stop.abort();
  await assert.rejects(run(folder, "early", here(), { signal: stop.signal }), { code: "MAGDI_CANCELLED" });
  const { journal } = runFiles(path.join(folder, "early.json"));
  truncateSync(journal, 40);
  await run(folder, "early", here());
  assert.equal(text("early.answers.jsonl"), text("one.answers.jsonl"));
});

test("what an earlier version read is read again when the run goes on", async () => {
  const stop = new AbortController();
  const onProgress = () => stop.abort();
  await assert.rejects(run(folder, "old", here(), { signal: stop.signal, onProgress }), {
    code: "MAGDI_CANCELLED",
  });
  const { journal } = runFiles(path.join(folder, "old.json"));
  const changed = readFileSync(journal, "utf8").replaceAll('"answer":"4"', '"answer":"44"');
  assert.notEqual(changed, readFileSync(journal, "utf8"));
  writeFileSync(journal, changed);
  await run(folder, "old", here());
  assert.equal(text("old.answers.jsonl"), text("one.answers.jsonl"));
});

test("another run's beginning is not gone on with, unless it is thrown away", async () => {
  const stop = new AbortController();
  stop.abort();
  await assert.rejects(run(folder, "mine", here(), { signal: stop.signal }), { code: "MAGDI_CANCELLED" });
  const other = { settings: settings({ seed: 9 }) };
  await assert.rejects(run(folder, "mine", here(), other), { code: "MAGDI_BAD_CONFIG", message: /--fresh/ });
  await run(folder, "mine", here(), { ...other, fresh: true });
  writeFileSync(path.join(folder, "torn.partial.jsonl"), `${text("mine.json").slice(0, 3)}`);
  await assert.rejects(run(folder, "torn", here()), { code: "MAGDI_BAD_CONFIG" });
});

test("a beginning that is another's stays as it was, and a place that cannot be written is one error", async () => {
  const journal = path.join(folder, "others.partial.jsonl");
  const others = '{"format":"another"}\n{"at":1}\n{"at"';
  writeFileSync(journal, others);
  await assert.rejects(run(folder, "others", here()), { code: "MAGDI_BAD_CONFIG", message: /--fresh/ });
  assert.equal(readFileSync(journal, "utf8"), others);
  mkdirSync(path.join(folder, "place.partial.jsonl"));
  await assert.rejects(run(folder, "place", here()), {
    code: "MAGDI_NOT_WRITTEN",
    message: /place\.partial\.jsonl: cannot be written \(EISDIR.*then run it again$/,
  });
});

test("a run with another context or device is another run", async () => {
  const stop = new AbortController();
  stop.abort();
  const asker = here();
  const within = (context_length: number, device: string): Asker => ({
    ...asker,
    model: { ...asker.model, context_length, device },
  });
  const cut = { signal: stop.signal };
  await assert.rejects(run(folder, "context", within(512, "cpu"), cut), { code: "MAGDI_CANCELLED" });
  for (const other of [within(256, "cpu"), within(512, "cuda")]) {
    await assert.rejects(run(folder, "context", other), { code: "MAGDI_BAD_CONFIG" });
  }
  const { report } = await run(folder, "context", within(512, "cpu"));
  assert.deepEqual([report.model.context_length, report.model.device], [512, "cpu"]);
});

test("a report says whole numbers whole, and settings that it could not say are refused before anything is asked", async () => {
  await run(folder, "seeded", here(), { settings: settings({ seed: 1_722_945_611 }) });
  assert.equal(readReport(path.join(folder, "seeded.json")).settings.seed, 1_722_945_611);
  assert.throws(() => settings({ adaptive_threshold: 1 }), {
    code: "MAGDI_BAD_CONFIG",
    message: /^--adaptive-threshold: .*found 1$/,
  });
  assert.throws(() => settings({ top_p: 0 }), { message: /^--top-p: / });
});

test("over HTTP the answers are those of this process", async (t) => {
  const { server: running } = await runTiny(t);
  const asker = await server(running.url);
  assert.equal(asker.model.kind, "reason");
  const { report } = await run(folder, "http", asker);
  assert.equal(text("http.answers.jsonl"), text("one.answers.jsonl"));
  assert.deepEqual(report.results, (await run(folder, "again", here())).report.results);
});

test("any server of OpenAI's API is asked sample by sample, and one sample is the same everywhere", async (t) => {
  const { server: running } = await runTiny(t);
  const single = settings({ samples: 1, temperature: 0.7 });
  const chat = await server(`${running.url}/v1/`, "chat", single);
  assert.equal(chat.model.kind, "chat");
  assert.deepEqual(chat.model.left_out, []);
  await run(folder, "chat", chat, { settings: single });
  await run(folder, "single", tinyAsker(tinyStudent(), single), { settings: single });
  const [over, inside] = ["chat", "single"].map((name) =>
    readAnswers(path.join(folder, `${name}.json`), readReport(path.join(folder, `${name}.json`))).map(
      (record) =>
        record.samples.map(({ text: written, tokens, answer, finish_reason: reason }) => [
          written,
          tokens,
          answer,
          reason,
        ]),
    ),
  );
  assert.deepEqual(over, inside);
  const many = await server(running.url, "chat");
  const { report } = await run(folder, "chat5", many);
  assert.equal(report.results[0]?.samples, 5);
  assert.ok(
    new Set(
      readAnswers(
        path.join(folder, "chat5.json"),
        readReport(path.join(folder, "chat5.json")),
      )[1]?.samples.map((one) => one.text),
    ).size > 1,
  );
});

test("a prompt that is too long counts as a question without an answer, and the run goes on", async (t) => {
  const questions = [scripted("huge", `${"x".repeat(600)} The answer is 4.`, "4"), ...QUESTIONS.slice(0, 2)];
  const { report } = await run(folder, "huge", here(), { questions });
  assert.equal(report.results[0]?.too_long, 1);
  assert.equal(report.results[0]?.questions, 3);
  const { server: running } = await runTiny(t);
  await run(folder, "huge-http", await server(running.url), { questions });
  assert.equal(text("huge-http.answers.jsonl"), text("huge.answers.jsonl"));
});

test("what the answerer fails with ends the run, and what was answered stays", async () => {
  const asker = here();
  const failing: Asker = {
    ...asker,
    concurrency: () => 1,
    ask: (question, seed, signal) =>
      question.id === "even-3"
        ? Promise.reject(new Error("the line is dead"))
        : asker.ask(question, seed, signal),
  };
  await assert.rejects(run(folder, "failed", failing), /the line is dead/);
  const kept = text("failed.partial.jsonl").split("\n").length - 2;
  assert.equal(kept, 4);
});

test("what early stopping would have done is what the server does", async (t) => {
  const { server: running } = await runTiny(t);
  const seven = settings({ samples: 7 });
  const asker = await server(running.url, "auto", seven);
  const questions = Array.from({ length: 12 }, (_, index) =>
    scripted(`s${index}`, "[ab][cd] the answer is [4445].", "4"),
  );
  const { report } = await run(folder, "off", asker, { questions, settings: seven });
  const { exact, adaptive } = report.results[0]?.early_stop ?? assert.fail();
  const records = readAnswers(path.join(folder, "off.json"), readReport(path.join(folder, "off.json")));
  for (const [rule, replayed] of Object.entries({ exact, adaptive })) {
    const served: Json[] = [];
    // One at a time: the replay is of samples that decode side by side, and there are eight rows.
    for (const [index, record] of records.entries()) {
      const { question } = questions[index] ?? assert.fail();
      const { samples, temperature, top_p, top_k, max_tokens } = seven;
      const body = {
        question,
        task: "math",
        samples,
        temperature,
        top_p,
        top_k,
        max_tokens,
        seed: record.seed,
      };
      served.push((await running.post("/v1/reason", { ...body, early_stop: rule })).body);
    }
    const mean = (value: (body: Json) => number) =>
      served.reduce((sum, body) => sum + value(body), 0) / served.length;
    assert.equal(
      replayed.tokens_per_answer,
      mean((body) => body.usage.completion_tokens),
      rule,
    );
    assert.equal(
      replayed.decided_at,
      mean((body) => body.decided_at),
      rule,
    );
    const same = served.filter(({ answer }, index) => answer === records[index]?.answer).length;
    assert.equal(replayed.agreement, same / served.length, rule);
  }
  assert.ok(exact.decided_at < 7);

  // Five of the seven samples are what a server asked for five would have drawn.
  const ways = report.results[0]?.waves?.filter(({ samples }) => samples === 5) ?? [];
  assert.deepEqual(
    ways.map(({ rule, wave }) => [rule, wave]),
    [
      ["off", null],
      ["exact", null],
      ["exact", 3],
      ["adaptive", null],
      ["adaptive", 3],
    ],
  );
  for (const { rule, wave, accuracy, samples_run, tokens_per_answer } of ways) {
    const sum = { correct: 0, run: 0, tokens: 0 };
    for (const [index, { seed }] of records.entries()) {
      const { question } = questions[index] ?? assert.fail();
      const { temperature, top_p, top_k, max_tokens } = seven;
      const { body } = await running.post("/v1/reason", {
        ...{ question, task: "math", samples: 5, temperature, top_p, top_k, max_tokens, seed },
        ...{ early_stop: rule, ...(wave !== null && { wave }) },
      });
      sum.correct += body.answer === "4" ? 1 : 0;
      sum.run += body.samples_run ?? 5;
      sum.tokens += body.usage.completion_tokens;
    }
    assert.deepEqual(
      [accuracy, samples_run, tokens_per_answer],
      [sum.correct / 12, sum.run / 12, sum.tokens / 12],
      `${rule} ${wave}`,
    );
  }
  const [full, , waved] = ways;
  assert.equal(waved?.accuracy, full?.accuracy);
  assert.ok((waved?.tokens_per_answer ?? 0) < (full?.tokens_per_answer ?? 0));
  assert.match(text("off.md"), /\| tiny \| tiny, n = 7 \| 5 \| 3 \|/);
});

test("a report from before there were waves is read, and has no table of them", async () => {
  await run(folder, "older", here());
  const { settings: asked, results, ...rest } = JSON.parse(text("older.json"));
  const { wave, ...before } = asked;
  assert.equal(wave, 3);
  const older = results.map(({ waves, ...result }: Json) => {
    assert.ok(waves.length > 0);
    return result;
  });
  writeFileSync(
    path.join(folder, "before.json"),
    JSON.stringify({ ...rest, settings: before, results: older }),
  );
  const report = readReport(path.join(folder, "before.json"));
  assert.equal(report.settings.wave, 3);
  assert.doesNotMatch(markdownPage([{ label: "older", report, timing: null }], []), /waves/);
});
