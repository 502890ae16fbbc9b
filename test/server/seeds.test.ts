// The same seed gives the same samples, whatever else the server is doing, over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, CHAT, INFERENCE, REASON, streamed, streamedText } from "./support/openai-shapes.ts";
import { type Json, type RunningApp, runTiny } from "./support/running-app.ts";

const samplesName = (path: string) => (path === REASON ? "samples" : "n");
const SAMPLING = { temperature: 1.4, max_tokens: 30 };

function ask(path: string, prompt: string, samples: number, fields: object): object {
  const reason = { task: "free", early_stop: "off", return_samples: true };
  return bodyOf(path, prompt, {
    ...SAMPLING,
    ...(path === REASON ? reason : {}),
    [samplesName(path)]: samples,
    ...fields,
  });
}

/** What must be equal: the samples with all that is said of them, and the vote. */
async function drawn(server: RunningApp, path: string, body: object): Promise<Json> {
  const answer = await server.post(path, body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { choices, samples, votes, answer: voted, usage } = answer.body;
  return {
    choices,
    samples,
    votes,
    voted,
    usage: { ...usage, prompt_tokens_details: null, prompt_tokens_computed: 0 },
  };
}

/** Requests of all kinds, of which some end while others begin. */
function strangers(server: RunningApp, count: number): Promise<unknown>[] {
  return Array.from({ length: count }, (_, index) => {
    const path = INFERENCE[index % INFERENCE.length]!;
    const prompt = index % 4 === 0 ? "{{short}}" : `stranger ${"x".repeat(index * 20)}`;
    return server.post(path, ask(path, prompt, 1 + (index % 3), { seed: index, max_tokens: 5 + index * 3 }));
  });
}

for (const path of INFERENCE) {
  test(`behaviour 38: a seed gives the same samples, alone and among strangers (${path})`, async (t) => {
    const { server } = await runTiny(t, { maxRows: 6 });
    for (const seed of [0, 7, Number.MAX_SAFE_INTEGER]) {
      const body = ask(path, "Say it.", 4, { seed });
      const alone = await drawn(server, path, body);
      const before = strangers(server, 5);
      const among = await Promise.all([drawn(server, path, body), drawn(server, path, body)]);
      const after = strangers(server, 3);
      const between = await drawn(server, path, body);
      await Promise.all([...before, ...after]);
      for (const again of [...among, between]) assert.deepEqual(again, alone);
    }
  });

  test(`behaviour 38: another server, with other rows, gives the same samples (${path})`, async (t) => {
    const body = ask(path, "Say it.", 3, { seed: 5 });
    const [{ server: one }, { server: two }] = [
      await runTiny(t, { maxRows: 1 }),
      await runTiny(t, { maxRows: 9 }),
    ];
    assert.deepEqual(await drawn(one, path, body), await drawn(two, path, body));
  });

  test(`behaviour 38: the first of many samples are the samples of few, and other seeds give others (${path})`, async (t) => {
    const { server } = await runTiny(t);
    const texts = async (samples: number, seed: number) => {
      const { choices, samples: voted } = await drawn(server, path, ask(path, "Say it.", samples, { seed }));
      return (voted ?? choices).map((one: Json) => one.text ?? one.message.content);
    };
    const five = await texts(5, 3);
    assert.deepEqual(await texts(2, 3), five.slice(0, 2));
    assert.ok(new Set(five).size > 1);
    assert.notDeepEqual(await texts(5, 4), five);
  });

  test(`behaviour 38: the seed that is reported gives the samples again (${path})`, async (t) => {
    const { server } = await runTiny(t);
    const body = ask(path, "Say it.", 3, {});
    const { body: first } = await server.post(path, body);
    const { body: again } = await server.post(path, { ...body, seed: first.seed });
    assert.deepEqual(again.choices ?? again.samples, first.choices ?? first.samples);
    const { body: other } = await server.post(path, body);
    assert.notEqual(other.seed, first.seed);
  });
}

test("behaviour 38: a stream's seed gives the whole answer", async (t) => {
  const { server } = await runTiny(t);
  const body = ask(CHAT, "Say it.", 3, {});
  const chunks = await streamed(server, CHAT, body);
  const { body: whole } = await server.post(CHAT, { ...body, seed: chunks[0].seed });
  for (const { index, message } of whole.choices) assert.equal(streamedText(chunks, index), message.content);
});

for (const path of INFERENCE) {
  test(`seeds up to 2^63-1 are taken; the reported one gives the samples again (${path})`, async (t) => {
    const { server } = await runTiny(t);
    const post = async (seed: string) => {
      const body = JSON.stringify(ask(path, "Say it.", 4, { seed: 77 })).replace(
        '"seed":77',
        `"seed":${seed}`,
      );
      const answer = await server.post(path, body);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      const { seed: reported, choices, samples } = answer.body;
      assert.ok(Number.isSafeInteger(reported));
      return { reported, texts: (samples ?? choices).map((one: Json) => one.text ?? one.message.content) };
    };
    const seen = new Set<number>();
    for (const seed of [
      "9007199254740991",
      "9007199254740992",
      "4611686018427387905",
      "9223372036854775807",
    ]) {
      const first = await post(seed);
      assert.deepEqual(await post(seed), first);
      assert.deepEqual(await post(String(first.reported)), first);
      seen.add(first.reported);
    }
    assert.equal(seen.size, 4);
    for (const seed of [1e19, 2 ** 64, -1, 0.5]) {
      const refused = await server.post(path, ask(path, "Say it.", 1, { seed }));
      assert.equal(refused.status, 400);
      assert.match(refused.body.error.message, /seed: expected a whole number from 0 to 2\^63-1/);
    }
  });
}
