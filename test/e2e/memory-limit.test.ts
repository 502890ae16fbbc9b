// magdi serve in little memory: what it takes, what it refuses at its start, and, in a real control group, that the worst
// request of each kind is answered where rows times context are several times what there is.
import assert from "node:assert/strict";
import path from "node:path";
import { before, test } from "node:test";
import { MAGDI_SERVE } from "../../loadtest/server/server-process.ts";
import { memoryGroup, NO_MEMORY_GROUPS } from "../support/memory-group.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { importTiny } from "../support/tiny-students.ts";
import { post, ServeProcess } from "./serve-process.ts";

const folder = scratchFolder();
const MIB = 2 ** 20;
const CONTEXT = 1024;
/** Many keys for few weights: 17 MB a full row, and 550 MB for all. */
const CONFIG = {
  num_hidden_layers: 2,
  num_attention_heads: 8,
  num_key_value_heads: 8,
  head_dim: 128,
  max_position_embeddings: CONTEXT,
};
const student = path.join(folder, "student");
before(async () => {
  const base = path.join(folder, "base");
  writeRandomBase(base, { tokenizer: true, config: CONFIG });
  await importTiny(base, student, ["q8"]);
});

const serve = (...flags: string[]): string[] => [...MAGDI_SERVE, "--port", "0", "--model", student, ...flags];
const ids = (count: number, seed: number) =>
  Array.from({ length: count }, (_, at) => 40 + ((7 * at + seed) % 500));

test("a limit that is set is kept to, and told of in the log, on the terminal and over HTTP", async (t) => {
  const server = new ServeProcess(t, serve("--memory-limit-mb", "500", "--log-level", "info"));
  const url = await server.ready();
  const line =
    /^memory: \d+ of 500 MB \(memory-limit-mb\) for 32 rows of at most 1024 tokens, which share (\d+), (\d+) tokens/m;
  const [, tokens, prefixTokens] = line.exec(server.stdout) ?? [];
  assert.ok(Number(tokens) > CONTEXT, server.stdout);
  assert.match(server.stderr, /"msg":"memory: \d+ of 500 MB/);
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { memory: object }[] };
  assert.deepEqual(data[0]?.memory, {
    available_bytes: 500e6,
    batch_rows: 32,
    row_tokens: Number(tokens),
    prefix_cache_tokens: Number(prefixTokens),
  });
});

test("what cannot work is refused at the start, with numbers and what to change", async (t) => {
  const refusals: readonly (readonly [string[], RegExp])[] = [
    [
      ["--memory-limit-mb", "250"],
      /expected at least \d+ MB .* found 250 MB \(memory-limit-mb\); give it more/,
    ],
    [
      ["--memory-limit-mb", "340", "--context-length", "1024"],
      / MB of keys and values \(a prompt and a sample of 1024 tokens\).*choose context-length \d+/,
    ],
    [
      ["--memory-limit-mb", "600", "--prefix-cache-tokens", "100000"],
      /\d+ MB of prefix cache .* a smaller prefix-cache-tokens/,
    ],
  ];
  await Promise.all(
    refusals.map(async ([flags, message]) => {
      const server = new ServeProcess(t, serve("--log-level", "silent", ...flags));
      await assert.rejects(server.ready());
      assert.equal(await server.exited, 2);
      assert.match(server.stderr, message);
      assert.equal(server.stderr.trim().split("\n").length, 1, server.stderr);
    }),
  );
});

test("in a control group of 448 MiB the worst request of each kind is answered, all at once", {
  skip: NO_MEMORY_GROUPS,
}, async (t) => {
  const server = new ServeProcess(t, serve("--log-level", "silent", "--queue-timeout-ms", "600000"));
  const group = memoryGroup(t, 448 * MIB);
  group.add(server.child.pid ?? assert.fail("no process"));
  const url = await server.ready();
  assert.match(server.stdout, /^memory: \d+ of 4\d\d MB \(the limit of 448 MiB of control group /m);

  const sampled = { temperature: 1, ignore_eos: true, max_tokens: 4 };
  const requests: readonly (readonly [path: string, body: object])[] = [
    ["/v1/completions", { ...sampled, prompt: ids(CONTEXT - 4, 1), n: 32 }],
    ["/v1/completions", { ...sampled, prompt: ids(CONTEXT - 4, 2), n: 32, logprobs: 20 }],
    [
      "/v1/completions",
      { ...sampled, prompt: Array.from({ length: 3 }, (_, at) => ids(CONTEXT - 4, at)), n: 32 },
    ],
    [
      "/v1/chat/completions",
      { messages: [{ role: "user", content: "word ".repeat(150) }], n: 32, ...sampled },
    ],
    ["/v1/reason", { question: "word ".repeat(150), samples: 32, max_tokens: 4, early_stop: "off" }],
    ["/v1/tokenize", { prompt: "word ".repeat(150), return_token_strs: true }],
    ["/v1/detokenize", { tokens: ids(CONTEXT - 1, 3) }],
    [
      "/v1/vote",
      {
        task: "math",
        samples: Array.from({ length: 30 }, (_, at) => ({ text: `${"word ".repeat(5000)}${at}` })),
      },
    ],
  ];
  const asked = async ([path, body]: (typeof requests)[number]) => {
    const response = await post(url, path, body);
    const text = await response.text();
    assert.equal(response.status, 200, `${path}: ${text.slice(0, 300)}`);
  };
  await Promise.all(requests.map(asked));
  // Requests that pad their bodies, a megabyte each: beyond what there is for bodies they are refused at once.
  const user = "x".repeat(900_000);
  const padded = Array.from({ length: 32 }, (_, at) => ({ prompt: ids(10, at), max_tokens: 1, user }));
  const statuses = await Promise.all(
    padded.map(async (body) => {
      const response = await post(url, "/v1/completions", body);
      await response.text();
      return response.headers.has("retry-after") ? "later" : response.status;
    }),
  );
  assert.ok(statuses.includes(200) && statuses.every((one) => one === 200 || one === "later"), `${statuses}`);
  assert.equal(group.killed(), 0);
  assert.equal((await fetch(`${url}/health`)).status, 200);
});
