// One question through asking/, on the real engine around a scripted model: what is told while it runs, and the record.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AskEvent, ask } from "../../src/asking/ask.ts";
import { type AskedQuestion, resolveQuestion } from "../../src/asking/question.ts";
import { tinyStudent } from "../server/support/tiny-student.ts";

function asked(fields: AskedQuestion) {
  const student = tinyStudent();
  const events: AskEvent[] = [];
  const run = ask(student, resolveQuestion({ seed: 1, ...fields }), {
    id: "q",
    onEvent: (event) => events.push(event),
  });
  return { student, events, run };
}

const FOUR = "How many are 2 + 2? {{The answer is 4.}}";

test("events come in order, and the record says what they said", async () => {
  const { student, events, run } = asked({ question: FOUR, samples: 3, earlyStop: "off" });
  const record = await run.done;
  assert.deepEqual(events[0], { type: "accepted", task: "math", samples: 3, seed: 1 });
  const texts = ["", "", ""];
  for (const event of events) if (event.type === "token") texts[event.sample] += event.text;
  assert.deepEqual(
    texts,
    record.samples.map(({ text }) => text),
  );
  assert.deepEqual(
    events.flatMap((event) =>
      event.type === "sample" ? [[event.sample, event.answer, event.finishReason]] : [],
    ),
    [0, 1, 2].map((sample) => [sample, "4", "stop"]),
  );
  assert.deepEqual(
    events.flatMap((event) => (event.type === "vote" ? [event.remaining] : [])),
    [2, 1, 0],
  );
  const { answer, votes, tied, decidedAt, stopReason, end, model, task } = record;
  assert.deepEqual(
    [answer, tied, decidedAt, stopReason, end, model, task],
    ["4", false, 3, "complete", "stop", "tiny", "math"],
  );
  assert.deepEqual(votes, [{ answer: "4", count: 3, weight: 3, share: 1 }]);
  const generated = record.samples.reduce((sum, { tokens }) => sum + tokens, 0);
  assert.equal(record.usage.completionTokens, generated);
  assert.equal(record.usage.totalTokens, generated + record.usage.promptTokens);
  assert.equal(record.comparison?.baseline, "gsm8k");
  await student.engine.close();
});

test("a decided vote stops the others, and the record keeps the engine's own word for it", async () => {
  const question = "How many are 2 + 2? {{The answer is 4.}}";
  const { student, run } = asked({ question, samples: 8, temperature: 1 });
  const record = await run.done;
  assert.equal(record.stopReason, "exact");
  assert.ok(record.decidedAt < 8);
  const decided = record.samples.filter(({ finishReason }) => finishReason === "decided");
  assert.equal(decided.length, 8 - record.decidedAt);
  assert.ok(decided.every(({ answer }) => answer === null));
  assert.equal(
    record.usage.completionTokensDiscarded,
    decided.reduce((sum, { tokens }) => sum + tokens, 0),
  );
  await student.engine.close();
});

test("enough settles on what has finished; a cancelled question still has its record", async () => {
  const endless = asked({ question: "How many? {{on and on*}}", task: "math", samples: 2 });
  endless.run.enough();
  const enough = await endless.run.done;
  assert.deepEqual([enough.answer, enough.stopReason, enough.decidedAt], [null, "enough", 0]);
  await endless.student.engine.close();

  const other = asked({ question: "How many? {{on and on*}}", task: "math", samples: 2 });
  other.run.cancel("shutdown");
  const cut = await other.run.done;
  assert.deepEqual([cut.stopReason, cut.end], ["abort", "abort"]);
  assert.deepEqual(
    cut.samples.map(({ finishReason }) => finishReason),
    ["shutdown", "shutdown"],
  );
  await other.student.engine.close();
});

test("what is wrong with a question names its field", async () => {
  const student = tinyStudent();
  const refused = (fields: AskedQuestion) => () => ask(student, resolveQuestion(fields), { id: "q" });
  const long = { question: "word ".repeat(600) };
  assert.throws(refused(long), { code: "MAGDI_CONTEXT_LENGTH", param: "question" });
  const twice = {
    question: "Which?",
    choices: [
      { label: "A", text: "x" },
      { label: "a", text: "y" },
    ],
  };
  assert.throws(refused(twice), { code: "MAGDI_BAD_REQUEST", param: "choices" });
  assert.throws(refused({ question: "Why?", samples: 2, temperature: 0 }), { param: "temperature" });
  assert.throws(refused({ question: "Why?", baseline: "none" }), { param: "baseline" });
  assert.throws(refused({ question: "Why?", samples: 9999 }), { code: "MAGDI_QUEUE_FULL" });
  await student.engine.close();
});
