// POST /v1/vote over real sockets: the vote of texts that are given, with or without a student.
import assert from "node:assert/strict";
import { test } from "node:test";
import { voteResponse } from "../../src/server/reason/vote-schema.ts";
import { assertShape } from "./support/openai-shapes.ts";
import { runApp, runTiny } from "./support/running-app.ts";

test("a vote on given texts is that of the same samples in /v1/reason", async (t) => {
  const { server } = await runTiny(t);
  const question = "How many are 2 + 2? {{The answer is [4457].}}";
  for (const vote of ["majority", "confidence"]) {
    const asked = { question, samples: 7, seed: 5, vote, early_stop: "off", return_samples: true };
    const { body: reasoned } = await server.post("/v1/reason", asked);
    const samples = reasoned.samples.map(
      ({ text, logprob_mean }: { text: string; logprob_mean: number }) => ({
        text,
        weight: vote === "confidence" ? Math.exp(logprob_mean) : 1,
      }),
    );
    const { status, body } = await server.post("/v1/vote", { question, samples, rule: vote });
    assert.equal(status, 200);
    assertShape(voteResponse, body);
    assert.deepEqual(body.votes, reasoned.votes);
    assert.deepEqual([body.answer, body.task], [reasoned.answer, "math"]);
    assert.deepEqual(
      body.samples.map(({ answer }: { answer: string }) => answer),
      reasoned.samples.map(({ answer }: { answer: string }) => answer),
    );
  }
});

test("labels and texts of choices, and labels that come twice", async (t) => {
  const { server } = await runTiny(t);
  const choices = [
    { label: "P", text: "bank" },
    { label: "Q", text: "library" },
  ];
  const samples = [{ text: "The answer is (Q)." }, { text: "Answer: library" }, { text: "none of them" }];
  const { body } = await server.post("/v1/vote", { choices, samples });
  assert.deepEqual([body.task, body.answer, body.votes[0].count], ["multiple-choice", "Q", 2]);
  const twice = await server.post("/v1/vote", { choices: [choices[0], choices[0]], samples });
  assert.deepEqual([twice.status, twice.body.error.param], [400, "choices"]);
});

test("what is wrong names its field", async (t) => {
  const { server } = await runTiny(t);
  const refused: [object, string | null, RegExp][] = [
    [{}, "samples", /required: expected a list/],
    [{ samples: [] }, "samples", /at least one/],
    [{ samples: [{ text: 5 }] }, "samples[0].text", /expected a text, found 5/],
    [{ samples: [{ text: "4", weight: -1 }] }, "samples[0].weight", /from 0 to 1000000, found -1/],
    [{ samples: [{ text: "4", weight: 3 }], rule: "confidence" }, "samples[0].weight", /from 0 to 1/],
    [{ samples: [{ text: "4" }], rule: "loudest" }, "rule", /majority, confidence/],
    [{ samples: [{ text: "4" }], task: "sums" }, "task", /one of math/],
    [{ samples: Array(1025).fill({ text: "4" }) }, "samples", /at most 1024/],
    [{ samples: [{ text: "4" }], speed: 1 }, null, /speed/],
  ];
  for (const [body, param, message] of refused) {
    const answer = await server.post("/v1/vote", body);
    assert.equal(answer.status, 400, JSON.stringify(answer.body));
    if (param !== null) assert.equal(answer.body.error.param, param);
    assert.match(answer.body.error.message, message);
  }
});

test("it needs no student, and many texts keep nobody waiting", async (t) => {
  const server = await runApp(t, new Promise<never>(() => {}));
  const samples = Array(1000).fill({ text: `${"So 3 + 4 = 7. ".repeat(20)}The answer is 7.` });
  const vote = server.post("/v1/vote", { task: "math", samples });
  const first = await Promise.race([vote.then(() => "vote"), server.get("/health").then(() => "health")]);
  assert.equal(first, "health");
  assert.deepEqual((await vote).body.votes, [{ answer: "7", count: 1000, weight: 1000, share: 1 }]);
});
