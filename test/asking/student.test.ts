// The package's main entry: the shipped student in this process, as a program that imports magdi has it.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { openStudent, type StudentEvent } from "../../src/index.ts";

const FOLDER = "models/smollm2-135m-instruct";
const QUESTION = "Tom has 3 apples and buys 4 more. How many apples has he now?";
const student = await openStudent(FOLDER, { batchRows: 8, contextLength: 1024 });
after(() => student.close());

test("ask gives its events and its result, the same for the same seed", async () => {
  const asked = { question: QUESTION, samples: 3, seed: 7, maxTokens: 24, earlyStop: "off" } as const;
  const events: StudentEvent[] = [];
  const run = student.ask(asked);
  for await (const event of run) events.push(event);
  const record = await run.result;
  assert.deepEqual(events.at(-1), { type: "result", record });
  assert.equal(events[0]?.type, "accepted");
  assert.equal(record.model, "smollm2-135m-instruct");
  assert.equal(record.samples.length, 3);
  const texts = ["", "", ""];
  for (const event of events) if (event.type === "token") texts[event.sample] += event.text;
  assert.deepEqual(
    texts,
    record.samples.map(({ text }) => text),
  );
  const again = await student.ask(asked).result;
  assert.deepEqual(again.samples, record.samples);
  assert.deepEqual(again.votes, record.votes);
});

test("in waves the samples that run are the same ones", async () => {
  const asked = { question: QUESTION, samples: 4, seed: 7, maxTokens: 8 } as const;
  const all = await student.ask({ ...asked, earlyStop: "off" }).result;
  const record = await student.ask({ ...asked, wave: 1 }).result;
  assert.ok(record.samplesRun >= 2);
  assert.deepEqual(record.samples.slice(0, record.samplesRun), all.samples.slice(0, record.samplesRun));
  assert.equal(record.usage.promptTokens, all.usage.promptTokens);
  assert.throws(() => student.ask({ ...asked, wave: 0 }), { param: "wave" });
});

test("generate goes on from a prompt or a conversation", async () => {
  const greedy = { temperature: 0, maxTokens: 8 };
  const run = student.generate({ prompt: "The capital of France is", ...greedy });
  let streamed = "";
  for await (const { text } of run) streamed += text;
  const { samples, promptTokens } = await run.result;
  assert.equal(samples[0]?.text, streamed);
  assert.equal(samples[0]?.tokens, 8);
  assert.equal(samples[0]?.finishReason, "length");
  assert.ok(promptTokens > 0);
  const messages = [{ role: "user", content: "Name a fruit." }] as const;
  const chat = await student.generate({ messages, samples: 2, temperature: 0.8, seed: 3, maxTokens: 6 })
    .result;
  assert.deepEqual([chat.samples.length, chat.seed], [2, 3]);
});

test("leaving the loop ends the work, and an aborted signal rejects with its reason", async () => {
  const endless = { prompt: "Once upon a time", ignoreEos: true, maxTokens: 900 };
  const left = student.generate(endless);
  for await (const _ of left) break;
  assert.equal((await left.result).samples[0]?.finishReason, "cancelled");

  const reason = new Error("enough of it");
  const controller = new AbortController();
  const aborted = student.generate({ ...endless, signal: controller.signal });
  await assert.rejects(
    async () => {
      for await (const _ of aborted) controller.abort(reason);
    },
    (error) => error === reason,
  );
  await assert.rejects(aborted.result, (error) => error === reason);
  assert.throws(
    () => student.ask({ question: QUESTION, signal: controller.signal }),
    (error) => error === reason,
  );
});

test("what is wrong is thrown at once and names the field", () => {
  assert.throws(() => student.ask({ question: " " }), { code: "MAGDI_BAD_REQUEST", param: "question" });
  assert.throws(() => student.ask({ question: "Why?", task: "sums" as "math" }), { param: "task" });
  assert.throws(() => student.ask({ question: "word ".repeat(5000) }), {
    code: "MAGDI_CONTEXT_LENGTH",
    param: "question",
  });
  assert.throws(() => student.generate({}), { param: "prompt" });
  assert.throws(() => student.generate({ prompt: "a", temperature: -1 }), { param: "temperature" });
  assert.throws(() => student.generate({ prompt: "word ".repeat(5000) }), { param: "prompt" });
});

test("a folder that is no student, and a student that was closed, say so", async () => {
  await assert.rejects(openStudent("test"), { code: "MAGDI_FILE_MISSING" });
  const closed = await openStudent(FOLDER, { batchRows: 2, contextLength: 256 });
  await closed.close();
  assert.throws(() => closed.ask({ question: "Why?" }), { code: "MAGDI_SHUTTING_DOWN" });
});

test("the example runs", async () => {
  const parameters = ["--import", "tsx", "examples/in-process.ts"];
  const { stdout } = await promisify(execFile)(process.execPath, parameters);
  assert.match(stdout, /\nanswer: .+\n/);
  assert.match(stdout, /\d of 3 said .+\n\d+ tokens; a debate takes 642\.3\n.+\n$/s);
});
