// How callers share the model: what a small request waits for while others queue, counted in steps of the model.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Generation, GenerationRequest } from "../../src/engine/request.ts";
import { alone, Ear, rejection, type ToyEngine, toyEngine, toyRequest } from "../support/toy-engine.ts";

const prompt = (length: number, first = 5): Int32Array =>
  Int32Array.from({ length }, (_, position) => 4 + ((first + position) % 30));

const caller = (name: string, weight = 1) => ({ name, weight });

const ROWS = { maxRows: 32, contextLength: 256 };

/** Requests of 32 samples that run as long as they may. */
const greedy = (name: string, fields: Parameters<typeof toyRequest>[0] = {}): GenerationRequest =>
  toyRequest({
    caller: caller(name),
    samples: 32,
    ...fields,
    sampling: { temperature: 1, topK: 8, maxTokens: 200, ...fields.sampling },
  });

/** Calls `act` once, while step number `step` runs. */
function during({ runner }: ToyEngine, step: number, act: () => void): void {
  const before = runner.duringStep;
  runner.duringStep = (record) => {
    if (runner.steps.length === step) act();
    return before(record);
  };
}

/** Steps that end after the submission, in the middle of step `step`, until every sample has its first token, and all. */
async function stepsUntilServed(toy: ToyEngine, step: number, request: GenerationRequest) {
  const { engine, runner } = toy;
  const firstTokens = new Set<number>();
  let first = Number.NaN;
  const ended = new Promise<number>((resolve, reject) => {
    during(toy, step, () => {
      const generation = engine.submit(request, {
        onToken({ sample }) {
          firstTokens.add(sample);
          if (firstTokens.size === request.samples && Number.isNaN(first))
            first = runner.steps.length - step + 1;
        },
      });
      generation.done.then(() => resolve(runner.steps.length - step + 1), reject);
    });
  });
  return { ended: await ended, first };
}

test("one token is there within three steps, whatever another caller has queued", async () => {
  for (const [name, most, least] of [
    ["light", 3, 0],
    // The same caller's requests stay in line: this is what everybody waited before.
    ["greedy", Number.POSITIVE_INFINITY, 1000],
  ] as const) {
    const toy = toyEngine(ROWS, { maxWaitingSamples: 9 * 32 + 1 });
    const hogs = Array.from({ length: 9 }, () => toy.engine.submit(greedy("greedy")));
    const one = toyRequest({ caller: caller(name), promptTokens: prompt(4, 20), sampling: { maxTokens: 1 } });
    const { first } = await stepsUntilServed(toy, 50, one);
    assert.ok(first <= most && first >= least, `${name}: ${first} steps`);
    for (const hog of hogs) hog.cancel("cancelled");
  }
});

test("a vote of five samples runs at once, and nothing else is lost than time", async () => {
  const toy = toyEngine(ROWS, { maxWaitingSamples: 1000 });
  const hog = greedy("greedy");
  const hogs = Array.from({ length: 3 }, () => toy.engine.submit(hog, new Ear()));
  const vote = toyRequest({
    caller: caller("light"),
    promptTokens: prompt(6, 20),
    samples: 5,
    sampling: { maxTokens: 20 },
  });
  const { ended } = await stepsUntilServed(toy, 60, vote);
  assert.ok(ended <= 3 + 20, `${ended} steps`);
  assert.equal(toy.engine.stats().preemptions, 5);
  const expected = await alone(hog, ROWS);
  for (const { done } of hogs) assert.deepEqual((await done).samples, expected);
  const { recomputedTokens } = toy.engine.stats();
  assert.ok(
    recomputedTokens > 0 && recomputedTokens <= 5 * (60 + 3) + 3 * 3,
    `${recomputedTokens} tokens again`,
  );
});

test("several greedy callers leave a small one its row too", async () => {
  const toy = toyEngine(ROWS, { maxWaitingSamples: 1000 });
  const names = ["a", "b", "c", "d", "e", "f", "g"];
  const hogs = names.flatMap((name) => [toy.engine.submit(greedy(name)), toy.engine.submit(greedy(name))]);
  const one = toyRequest({
    caller: caller("light"),
    promptTokens: prompt(4, 20),
    sampling: { maxTokens: 8 },
  });
  const { first, ended } = await stepsUntilServed(toy, 80, one);
  assert.ok(first <= 3 && ended <= 3 + 8, `${first} steps to the first token, ${ended} to the last`);
  for (const hog of hogs) hog.cancel("cancelled");
});

test("a long prompt makes way for a short one, and is computed no more than twice for that", async () => {
  for (const prefixCacheTokens of [0, 256]) {
    const toy = toyEngine({ ...ROWS, prefillChunkTokens: 4 }, { prefixCacheTokens });
    const { engine, runner } = toy;
    const long = toyRequest({
      caller: caller("greedy"),
      promptTokens: prompt(201),
      sampling: { maxTokens: 3 },
    });
    const running = engine.submit(long, new Ear());
    const waits: number[] = [];
    let asked = 0;
    // Somebody asks something short all the time.
    runner.duringStep = ({ phase, tokens }) => {
      if (phase !== "prefill" || tokens.length < 4 || asked >= 60) return;
      const from = runner.steps.length;
      asked++;
      const short = toyRequest({
        id: "short",
        caller: caller("light"),
        promptTokens: prompt(2, asked),
        sampling: { maxTokens: 1 },
      });
      engine.submit(short, { onToken: () => waits.push(runner.steps.length - from + 1) });
    };
    const result = await running.done;
    assert.equal(waits[0], 2, "the step under way and its own");
    assert.deepEqual(result.samples, await alone(long, { ...ROWS, prefillChunkTokens: 4 }));
    assert.equal(result.promptTokensComputed + result.promptTokensReused, 201);
    const { recomputedTokens } = engine.stats();
    assert.ok(recomputedTokens <= 201, `${recomputedTokens} tokens again`);
    if (prefixCacheTokens > 0) assert.ok(recomputedTokens <= 60, `kept: ${recomputedTokens} tokens again`);
  }
});

/** Tokens of each caller after `steps` steps of two callers that ask without end. */
async function tokensOfTwo(
  weights: readonly [number, number],
  maxTokens: readonly [number, number],
  steps: number,
) {
  const toy = toyEngine({ ...ROWS, maxRows: 16 }, { maxWaitingSamples: 10_000 });
  const counts = [0, 0];
  const generations: Generation[] = [];
  const ask = (at: 0 | 1) => {
    const request = greedy(`caller ${at}`, {
      caller: caller(`caller ${at}`, weights[at]),
      samples: 8,
      sampling: { maxTokens: maxTokens[at] },
    });
    const generation = toy.engine.submit(request, { onToken: () => counts[at]!++ });
    generations.push(generation);
    generation.done.then(() => toy.runner.steps.length < steps && ask(at));
  };
  for (let round = 0; round < 4; round++) {
    ask(0);
    ask(1);
  }
  await new Promise<void>((resolve) => during(toy, steps, resolve));
  for (const generation of generations) generation.cancel("cancelled");
  await toy.engine.close();
  return counts[0]! / counts[1]!;
}

test("two greedy callers get tokens by weight, whoever has the longer samples", async () => {
  for (const [weights, maxTokens] of [
    [
      [1, 1],
      [60, 60],
    ],
    [
      [1, 1],
      [120, 10],
    ],
    [
      [3, 1],
      [60, 60],
    ],
    [
      [1, 3],
      [120, 20],
    ],
  ] as const) {
    const ratio = (await tokensOfTwo(weights, maxTokens, 1500)) / (weights[0] / weights[1]);
    assert.ok(ratio > 0.7 && ratio < 1.4, `${weights} of ${maxTokens} tokens: ${ratio} of its due`);
  }
});

test("a caller alone has all rows, and whoever asks small things without end starves nobody", async () => {
  const toy = toyEngine(ROWS, { maxWaitingSamples: 1000 });
  const hog = toy.engine.submit(greedy("greedy", { sampling: { maxTokens: 100 } }));
  during(toy, 2, () => assert.equal(toy.runner.steps[1]!.rows, 32));
  let asked = 0;
  let done = false;
  const ask = () => {
    if (done) return;
    asked++;
    const small = toyRequest({
      caller: caller("small"),
      promptTokens: prompt(8, asked),
      sampling: { maxTokens: 1 },
    });
    toy.engine.submit(small).done.then(ask);
  };
  during(toy, 10, ask);
  await hog.done;
  done = true;
  assert.ok(asked > 20, `${asked} small requests`);
  assert.ok(
    toy.runner.steps.length < 2 * 100 + 10,
    `${toy.runner.steps.length} steps, every other for the small ones`,
  );
  assert.equal(toy.engine.stats().preemptions, 0, "what ends with its first token needs no row");
});

test("rows that become free are kept for those who wait for their share", async () => {
  const toy = toyEngine({ maxRows: 8, contextLength: 128 });
  const all = [12, 60].map((maxTokens) =>
    toy.engine.submit(greedy("greedy", { samples: 8, sampling: { maxTokens } })),
  );
  // While the last step of the first request runs, the second waits for the eight rows.
  during(toy, 13, () => {
    const light = { caller: caller("light"), samples: 4, promptTokens: prompt(4, 20) };
    all.push(toy.engine.submit(toyRequest({ ...light, sampling: { maxTokens: 30 } })));
  });
  await Promise.all(all.map(({ done }) => done));
  await all[2]?.done;
  assert.deepEqual(
    toy.runner.steps.slice(13, 17).map(({ phase, rows }) => [phase, rows]),
    [
      ["prefill", 1],
      ["decode", 8],
      ["decode", 8],
      ["decode", 8],
    ],
  );
  assert.equal(toy.engine.stats().preemptions, 0, "nobody had to give a row back");
});

test("with more callers than rows each is served in its turn", async () => {
  const toy = toyEngine({ ...ROWS, maxRows: 2 });
  const order: string[] = [];
  const names = ["a", "b", "c", "d", "e"];
  const all = names.flatMap((name) =>
    [1, 2].map(() =>
      toy.engine.submit(greedy(name, { samples: 2, sampling: { maxTokens: 6 } }), {
        onSampleEnd: () => order.push(name),
      }),
    ),
  );
  await Promise.all(all.map(({ done }) => done));
  assert.deepEqual(new Set(order.slice(0, 10)), new Set(names), order.join(" "));
});

test("a full queue makes room for a caller with fewer samples in it, and for no other", async () => {
  const toy = toyEngine({ maxRows: 1 }, { maxWaitingSamples: 10 });
  const { engine } = toy;
  const submit = (name: string, samples: number, weight = 1) =>
    engine.submit(toyRequest({ id: `${name}${samples}`, samples, caller: caller(name, weight) }));
  const [first, second, third] = [submit("a", 4), submit("a", 3), submit("a", 2)];
  engine.assertRoom(1, caller("a"));
  assert.throws(() => engine.assertRoom(2, caller("a")), { code: "MAGDI_QUEUE_FULL" });
  assert.throws(() => submit("a", 2), { code: "MAGDI_QUEUE_FULL" });
  engine.assertRoom(3, caller("b"));
  assert.equal(engine.stats().samplesWaiting, 9, "asking moves nobody");
  const b = submit("b", 3);
  assert.equal(engine.stats().samplesWaiting, 10, "the last two samples left");
  assert.throws(() => submit("b", 4), { code: "MAGDI_QUEUE_FULL" }, "it would have as many as the other");
  assert.throws(() => submit("c", 7), { code: "MAGDI_QUEUE_FULL" });
  assert.equal(engine.stats().samplesWaiting, 10, "who is refused moves nobody");
  const c = submit("c", 7, 2);
  assert.equal(engine.stats().samplesWaiting, 10, "by weight 7 are fewer than the 7 that leave");
  for (const [generation, id] of [
    [third, "a2"],
    [second, "a3"],
    [first, "a4"],
  ] as const) {
    const error = await rejection(generation);
    assert.deepEqual(error, Object.assign(Object(error), { code: "MAGDI_QUEUE_FULL" }));
    assert.match(String(error), new RegExp(`request ${id} left it for a caller who has fewer`));
  }
  assert.deepEqual([(await b.done).samples.length, (await c.done).samples.length], [3, 7]);
  assert.equal(engine.stats().requestsWaiting, 0);
});

test("who may not stand in line and has asked nothing yet begins after the step that runs", async () => {
  const toy = toyEngine(ROWS, { maxWaitingSamples: 1000 });
  const hogs = Array.from({ length: 3 }, () => toy.engine.submit(greedy("greedy")));
  toy.runner.duringStep = () => toy.clock.advance(5);
  const hasty = toyRequest({ caller: caller("light"), queueTimeoutMs: 0, sampling: { maxTokens: 4 } });
  const { ended } = await stepsUntilServed(toy, 40, hasty);
  assert.ok(ended <= 3 + 4, `${ended} steps`);
  for (const hog of hogs) hog.cancel("cancelled");
});
