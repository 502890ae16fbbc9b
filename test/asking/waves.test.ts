// Samples that start in waves: what a vote comes to, what is never generated, and what ends a question between two waves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type AskEvent, type AskOptions, ask } from "../../src/asking/ask.ts";
import { type AskedQuestion, resolveQuestion } from "../../src/asking/question.ts";
import { sampleRandom } from "../../src/engine/random.ts";
import { adaptiveDecided, exactDecided, leaderProbability } from "../../src/voting/early-stop.ts";
import { confidenceOf } from "../../src/voting/vote.ts";
import { type TinyStudentOptions, tinyStudent } from "../server/support/tiny-student.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ScriptedEngine, type ScriptedSample } from "./support/scripted-engine.ts";

const FOUR = "How many are 2 + 2? {{The answer is 4.}}";
const VARIED = "How many are 2 + 2? {{So [ab] the answer is [4455].}}";

function asked(fields: AskedQuestion, options: TinyStudentOptions & Partial<AskOptions> = {}) {
  const { onEvent, limits, observer, ...tiny } = options;
  const student = tinyStudent(tiny);
  const events: AskEvent[] = [];
  const run = ask(student, resolveQuestion({ seed: 1, ...fields }), {
    ...{ id: "q", ...(limits && { limits }), ...(observer && { observer }) },
    onEvent(event) {
      events.push(event);
      onEvent?.(event);
    },
  });
  return { student, events, run };
}

/** The definition, sample by sample: waves one after the other, each counted by length and index. */
function sequential(samples: readonly ScriptedSample[], question: ReturnType<typeof resolveQuestion>) {
  const { wave, vote, earlyStop, adaptiveThreshold } = question;
  const size = wave ?? samples.length;
  const counted: { index: number; answer: string; confidence: number }[] = [];
  for (let first = 0; first < samples.length; first += size) {
    const end = Math.min(samples.length, first + size);
    const order = samples
      .map((sample, index) => ({ ...sample, index }))
      .slice(first, end)
      .sort((a, b) => a.tokens - b.tokens || a.index - b.index);
    for (const { index, answer, logprob } of order) {
      counted.push({ index, answer, confidence: confidenceOf(logprob) });
      const left = [...samples.keys()].filter((other) => !counted.some((one) => one.index === other));
      const stopReason =
        left.length === 0
          ? "complete"
          : exactDecided(counted, left, vote)
            ? "exact"
            : earlyStop === "adaptive" && adaptiveDecided(counted, vote, adaptiveThreshold)
              ? "adaptive"
              : null;
      if (stopReason !== null) return { counted: counted.map((one) => one.index), stopReason, started: end };
    }
  }
  return assert.fail("the last sample completes a vote");
}

test("a vote in waves is that of the waves one after the other, whatever else is running", async () => {
  const random = sampleRandom(11, 0);
  const below = (limit: number) => Math.floor(random.nextFloat() * limit);
  const speaker = tinyStudent();
  const reasons = new Map<string, number>();
  for (let round = 0; round < 400; round++) {
    const samples = Array.from({ length: 1 + below(12) }, (): ScriptedSample => {
      const answer = String(4 + below(1 + below(4)));
      return { text: `The answer is ${answer}.`, answer, tokens: 1 + below(9), logprob: -random.nextFloat() };
    });
    const question = resolveQuestion({
      ...{ question: "How many?", task: "math", samples: samples.length, seed: round },
      ...{ wave: 1 + below(5), vote: below(2) === 0 ? "majority" : "confidence" },
      ...{ earlyStop: below(2) === 0 ? "exact" : "adaptive", adaptiveThreshold: [0.8, 0.95][below(2)] },
    });
    const expected = sequential(samples, question);
    // In step, and with samples that wait at random as they do under load.
    for (const load of [0, 0.5]) {
      const engine = new ScriptedEngine(samples, () => random.nextFloat() >= load);
      const order: number[] = [];
      const remaining: number[] = [];
      const run = ask({ ...speaker, engine }, question, {
        id: "q",
        onEvent(event) {
          if (event.type === "sample") order.push(event.sample);
          if (event.type === "vote") remaining.push(event.remaining);
        },
      });
      const record = await run.done;
      const where = `round ${round}, load ${load}`;
      // A sample that had finished when the vote was decided is told after it, and has no vote.
      assert.deepEqual(order.slice(0, record.decidedAt), expected.counted, where);
      assert.equal(record.stopReason, expected.stopReason, where);
      assert.equal(record.decidedAt, expected.counted.length, where);
      assert.deepEqual(
        remaining,
        order.map((_, place) => samples.length - place - 1),
        "samples that have not started may come as well",
      );
      assert.ok(record.samplesRun <= expected.started, where);
      assert.ok(
        record.samples.slice(expected.started).every(({ tokens }) => tokens === 0),
        where,
      );
      if (record.stopReason === "adaptive") {
        const [first, ...others] = record.votes;
        const second = Math.max(0, ...others.map(({ count }) => count));
        const certainty = leaderProbability(first?.count ?? 0, second);
        assert.ok(certainty >= question.adaptiveThreshold, `${where}: ${certainty}`);
      }
    }
    const { stopReason, started } = expected;
    const what = `${stopReason} ${started < samples.length ? "before the last wave" : "in it"}`;
    reasons.set(what, (reasons.get(what) ?? 0) + 1);
  }
  for (const what of [
    "complete in it",
    "exact before the last wave",
    "exact in it",
    "adaptive before the last wave",
  ])
    assert.ok((reasons.get(what) ?? 0) > 10, `${what}: ${reasons.get(what)}`);
});

test("three of five that agree are all that is generated, and the prompt is counted once", async () => {
  for (const prefixCacheTokens of [0, 512]) {
    const { student, events, run } = asked({ question: FOUR, samples: 5, wave: 3 }, { prefixCacheTokens });
    const { answer, stopReason, decidedAt, samplesRun, samples, usage, end } = await run.done;
    assert.deepEqual([answer, stopReason, decidedAt, samplesRun, end], ["4", "exact", 3, 3, "stop"]);
    assert.deepEqual(
      samples.map(({ tokens, finishReason }) => [tokens > 0, finishReason]),
      [
        ...Array.from({ length: 3 }, () => [true, "stop"]),
        ...Array.from({ length: 2 }, () => [false, "decided"]),
      ],
    );
    assert.equal(usage.completionTokensDiscarded, 0);
    assert.equal(usage.completionTokens, 3 * (samples[0]?.tokens ?? 0));
    assert.equal(usage.promptTokensComputed, usage.promptTokens);
    assert.deepEqual(
      events.flatMap((event) => (event.type === "vote" ? [event.remaining] : [])),
      [4, 3, 2],
    );
    await student.engine.close();
  }
});

test("adaptive goes on after three that agree, because four are needed for its threshold", async () => {
  const fields = { question: FOUR, samples: 20, wave: 3, earlyStop: "adaptive" } as const;
  const { run, student } = asked(fields);
  const { stopReason, decidedAt, samplesRun, usage, samples } = await run.done;
  assert.deepEqual([stopReason, decidedAt, samplesRun], ["adaptive", 4, 6]);
  // Samples 4 and 5 had one token less than sample 3 when it ended.
  const whole = samples[3]?.tokens ?? 0;
  assert.equal(usage.completionTokensDiscarded, 2 * (whole - 1));
  assert.equal(usage.completionTokens, 4 * whole + 2 * (whole - 1));
  await student.engine.close();
  const easier = asked({ ...fields, adaptiveThreshold: 0.9 });
  const record = await easier.run.done;
  assert.deepEqual([record.stopReason, record.decidedAt, record.samplesRun], ["adaptive", 3, 3]);
  await easier.student.engine.close();
});

test("samples and vote are those without waves, with few rows, without a prefix cache, and among others", async () => {
  for (let seed = 0; seed < 12; seed++) {
    const fields = { question: VARIED, samples: 7, seed, temperature: 1 } as const;
    const whole = asked({ ...fields, earlyStop: "off" });
    const full = await whole.run.done;
    await whole.student.engine.close();
    let before: unknown;
    for (const options of [{}, { maxRows: 2 }, { prefixCacheTokens: 512 }]) {
      const { student, run } = asked({ ...fields, wave: 2 }, options);
      const others = [1, 2].map((id) =>
        ask(student, resolveQuestion({ question: VARIED, samples: 3, seed: id }), { id: `${id}` }),
      );
      const record = await run.done;
      await Promise.all(others.map(({ done }) => done));
      assert.equal(record.answer, full.answer, `seed ${seed}`);
      for (const { index, text, tokens, finishReason } of record.samples) {
        if (finishReason === "decided") assert.ok(full.samples[index]?.text.startsWith(text));
        else assert.deepEqual([text, tokens], [full.samples[index]?.text, full.samples[index]?.tokens]);
      }
      const { votes, decidedAt, stopReason } = record;
      before ??= { votes, decidedAt, stopReason };
      assert.deepEqual({ votes, decidedAt, stopReason }, before);
      await student.engine.close();
    }
  }
});

test("a wave of all samples, or of more, is as none", async () => {
  const records = [];
  for (const wave of [undefined, 5, 1000]) {
    const { student, run } = asked({ question: VARIED, samples: 5, wave, temperature: 1 });
    const { timing, ...record } = await run.done;
    records.push(record);
    await student.engine.close();
  }
  assert.deepEqual(records[1], records[0]);
  assert.deepEqual(records[2], records[0]);
});

test("what stops a question between two waves stops all of it, and nothing more is computed", async () => {
  const cases = {
    cancelled: ({ run }) => run.cancel("cancelled"),
    disconnect: ({ run }) => run.cancel("disconnect"),
    deadline: ({ clock }) => clock.advance(1000),
    shutdown: ({ student }) => void student.engine.close(),
  } satisfies Record<
    string,
    (of: { clock: ManualClock } & Pick<ReturnType<typeof asked>, "run" | "student">) => void
  >;
  for (const [reason, stop] of Object.entries(cases)) {
    const clock = new ManualClock();
    let ended = 0;
    const started = asked(
      { question: VARIED, task: "math", samples: 9, wave: 3, vote: "confidence" },
      {
        clock,
        limits: { queueTimeoutMs: 500, timeoutMs: 1000 },
        onEvent(event) {
          // The third vote is the last of the first wave.
          if (event.type === "vote" && ++ended === 3) stop({ ...started, clock });
        },
      },
    );
    const record = await started.run.done;
    assert.deepEqual(
      record.samples.map(({ finishReason }) => finishReason),
      [...Array.from({ length: 3 }, () => "stop"), ...Array.from({ length: 6 }, () => reason)],
    );
    assert.deepEqual([record.stopReason, record.decidedAt, record.samplesRun], ["abort", 3, 3], reason);
    assert.equal(record.usage.completionTokensDiscarded, 0);
    const { decodeSteps } = started.student.runner;
    await started.student.engine.close();
    assert.equal(started.student.runner.decodeSteps, decodeSteps);
    assert.equal(clock.pendingTimers, 0);
  }
});

test("the deadline is that of the question, whichever wave runs; waiting is over with the first", async () => {
  const clock = new ManualClock();
  const { run, student } = asked(
    { question: VARIED, task: "math", samples: 6, wave: 3, vote: "confidence" },
    {
      clock,
      limits: { queueTimeoutMs: 500, timeoutMs: 1000 },
      onEvent(event) {
        if (event.type === "token" && event.sample === 2 && clock.nowMs() === 0) clock.advance(600);
        if (event.type === "token" && event.sample === 5) clock.advance(400);
      },
    },
  );
  const { samples, samplesRun, stopReason } = await run.done;
  assert.deepEqual(
    samples.map(({ finishReason }) => finishReason),
    ["stop", "stop", "stop", "deadline", "deadline", "deadline"],
  );
  assert.deepEqual([samplesRun, stopReason], [6, "abort"]);
  await student.engine.close();
});

test("enough settles on the waves so far", async () => {
  let votes = 0;
  const started = asked(
    { question: VARIED, task: "math", samples: 20, wave: 2, vote: "confidence" },
    {
      onEvent(event) {
        if (event.type === "vote" && ++votes === 3) started.run.enough();
      },
    },
  );
  const record = await started.run.done;
  assert.deepEqual([record.stopReason, record.decidedAt, record.samplesRun], ["enough", 3, 4]);
  await started.student.engine.close();
});

test("the queue counts all samples of a question, so that none is refused on the way", async () => {
  const refused = () => asked({ question: FOUR, samples: 9, wave: 1 }, { maxWaitingSamples: 8 });
  assert.throws(refused, { code: "MAGDI_QUEUE_FULL" });
  // The queue fills up while the first wave runs: the others start all the same.
  const { student, run } = asked(
    { question: VARIED, samples: 8, wave: 2 },
    { maxWaitingSamples: 8, maxRows: 2 },
  );
  const others: Promise<unknown>[] = [];
  const release = student.runner.hold();
  await student.runner.stepHeld();
  assert.equal(student.engine.stats().samplesRunning, 2, "those of the first wave");
  others.push(ask(student, resolveQuestion({ question: FOUR, samples: 8 }), { id: "other" }).done);
  assert.throws(() => student.engine.assertRoom(1), { code: "MAGDI_QUEUE_FULL" });
  release();
  const record = await run.done;
  assert.ok(record.decidedAt > 2 && record.stopReason !== "abort");
  await Promise.all(others);
  await student.engine.close();
});

test("what is wrong with a wave names it", () => {
  const refused = (fields: object) => () => resolveQuestion({ question: "Why?", samples: 5, ...fields });
  for (const wave of [0, -1, 1.5, Number.NaN])
    assert.throws(refused({ wave }), { code: "MAGDI_BAD_REQUEST", param: "wave" });
  assert.throws(refused({ wave: 2, earlyStop: "off" }), {
    param: "wave",
    message: /leave it out, or stop early/,
  });
});
