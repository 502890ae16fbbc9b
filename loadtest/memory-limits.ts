// npm run memory-limits: the default student in real control groups of 1, 2 and 4 GiB, and to each the worst request of every
// kind that is accepted, alone and all at once. Who was answered, who was refused, the most memory that was held, and
// whether the server lived. It needs Linux and the right to make control groups.

import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { parseArgs } from "node:util";
import WebSocket from "ws";
import { DEFAULT_STUDENT } from "../src/base/package-files.ts";
import { median } from "./measures/distribution.ts";
import { type MemoryGroup, makeMemoryGroup, NO_MEMORY_GROUPS } from "./server/memory-group.ts";
import { MAGDI_SERVE, ServerProcess } from "./server/server-process.ts";

const MIB = 2 ** 20;
const SAMPLE_MS = 50;
/** So that a run ends: what is not done then is answered with what there is. */
const REQUEST_TIMEOUT_MS = 30_000;
const QUEUE_TIMEOUT_MS = 20_000;
const SAMPLES = 32;
const MANY = 256;
const SOCKET_QUESTIONS = 64;
const SILENT = 3000;
const SILENT_MS = 15_000;

/** What one server takes. */
interface Limits {
  readonly url: string;
  readonly contextLength: number;
  /** Of all log-probabilities together. */
  readonly answerBytes: number;
  readonly bodyBytes: number;
}

/** When each ending came, in seconds: a status, and for a refusal whether it says when to come again. */
type Endings = Map<string, number[]>;

interface Kind {
  readonly name: string;
  run(limits: Limits, end: (ending: string) => void): Promise<void>;
}

const ids = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, at) => 1000 + ((7 * at + 131 * seed) % 20_000));
const words = (count: number, seed: number): string => `${seed} ${"word ".repeat(count)}`;

const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });

/** Sends JSON and reads the answer to its end. Never rejects. */
function ask({ url }: Limits, path: string, body: object, end: (ending: string) => void): Promise<void> {
  return new Promise((resolve) => {
    const done = (ending: string): void => {
      end(ending);
      resolve();
    };
    const json = JSON.stringify(body);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(json) };
    const sent = httpRequest(`${url}${path}`, { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        if (response.statusCode === 400) text += chunk.toString();
      });
      response.once("end", () => done(`${endingOf(response)}${text}`));
      response.once("error", () => done("cut off"));
    });
    sent.once("error", (error) => done(`no answer (${"code" in error ? error.code : error.message})`));
    sent.end(json);
  });
}

function endingOf({ statusCode = 0, headers }: IncomingMessage): string {
  const later = headers["retry-after"];
  return later === undefined ? `${statusCode}` : `${statusCode} with Retry-After`;
}

const one =
  (path: string, body: (limits: Limits) => object) =>
  (limits: Limits, end: (ending: string) => void): Promise<void> =>
    ask(limits, path, body(limits), end);

const many =
  (count: number, path: string, body: (limits: Limits, at: number) => object) =>
  async (limits: Limits, end: (ending: string) => void): Promise<void> => {
    await Promise.all(Array.from({ length: count }, (_, at) => ask(limits, path, body(limits, at), end)));
  };

/** All questions that one socket may have at once. */
function socket(limits: Limits, end: (ending: string) => void): Promise<void> {
  return new Promise((resolve) => {
    const client = new WebSocket(`${limits.url.replace("http", "ws")}/v1/reason/ws`);
    let open = SOCKET_QUESTIONS;
    const close = (ending: string): void => {
      for (; open > 0; open--) end(ending);
      client.terminate();
      resolve();
    };
    client.on("open", () => {
      for (let at = 0; at < SOCKET_QUESTIONS; at++) {
        client.send(JSON.stringify({ type: "reason", id: `${at}`, ...question(limits, at), samples: 4 }));
      }
    });
    client.on("message", (data) => {
      const frame = JSON.parse(String(data)) as { type: string; error?: { code: string } }; // the server's own
      if (frame.type !== "result" && frame.type !== "error") return;
      end(frame.type === "result" ? "200" : `error ${frame.error?.code}`);
      if (--open === 0) close("");
    });
    client.on("error", () => close("cut off"));
    client.on("close", () => close("cut off"));
  });
}

/** Asks for answers and reads none of them: each connection as many as it may have. */
async function unread(limits: Limits, end: (ending: string) => void): Promise<void> {
  const { hostname, port } = new URL(limits.url);
  const json = JSON.stringify({ prompt: "a ".repeat(16_000), return_token_strs: true });
  const asked = `POST /v1/tokenize HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: ${json.length}\r\n\r\n${json}`;
  const sockets = Array.from({ length: MANY }, () => {
    const opened = connect(Number(port), hostname);
    opened.pause();
    opened.on("error", () => {});
    opened.write(asked.repeat(8));
    return opened;
  });
  await new Promise((resolve) => setTimeout(resolve, REQUEST_TIMEOUT_MS / 3));
  for (const opened of sockets) {
    end(opened.destroyed ? "cut off" : "not read");
    opened.destroy();
  }
}

/** As many connections as there are, most of them WebSockets' and none with a word. */
async function silent({ url }: Limits, end: (ending: string) => void): Promise<void> {
  const { hostname, port } = new URL(url);
  const sockets = Array.from({ length: SILENT }, () => connect(Number(port), hostname).on("error", () => {}));
  const clients = Array.from({ length: MANY * 4 }, () => {
    const client = new WebSocket(`${url.replace("http", "ws")}/v1/reason/ws`);
    return client.on("error", () => {});
  });
  await new Promise((resolve) => setTimeout(resolve, SILENT_MS));
  for (const opened of sockets) {
    end(opened.readyState === "open" ? "open" : "closed");
    opened.destroy();
  }
  for (const client of clients) {
    end(client.readyState === WebSocket.OPEN ? "WebSocket open" : "no WebSocket");
    client.terminate();
  }
}

const question = ({ contextLength }: Limits, seed: number) => ({
  question: words(contextLength - 200, seed),
  max_tokens: 64,
  early_stop: "off",
});

const reason = (limits: Limits) => ({ ...question(limits, 1), samples: SAMPLES });
const sampled = { temperature: 1, ignore_eos: true };
const shortChat = (seed: number) => ({ messages: [{ role: "user", content: words(20, seed) }], ...sampled });
const longChat = ({ contextLength }: Limits, seed: number) => ({
  messages: [{ role: "user", content: words(contextLength - 100, seed) }],
  ...sampled,
});
/** As many tokens as the memory for log-probabilities allows. */
const reported = ({ answerBytes, contextLength }: Limits) => {
  const most = Math.floor(answerBytes / (21 * 340) / SAMPLES);
  return {
    ...shortChat(2),
    n: SAMPLES,
    logprobs: true,
    top_logprobs: 20,
    max_tokens: Math.min(most, contextLength - 200),
  };
};

const KINDS: readonly Kind[] = [
  { name: "/v1/reason, 32 samples, longest question", run: one("/v1/reason", reason) },
  { name: "its stream", run: one("/v1/reason", (limits) => ({ ...reason(limits), stream: true })) },
  { name: "WebSocket, 64 longest questions × 4 samples", run: socket },
  {
    name: "chat, n 32, longest prompt, 2 tokens",
    run: one("/v1/chat/completions", (limits) => ({ ...longChat(limits, 3), n: SAMPLES, max_tokens: 2 })),
  },
  {
    name: "chat, n 32, no max_tokens, no end",
    run: one("/v1/chat/completions", () => ({ ...shortChat(4), n: SAMPLES })),
  },
  { name: "chat, n 32, most log-probabilities", run: one("/v1/chat/completions", reported) },
  {
    name: "completions, 8 full-context prompts × 32 samples",
    run: one("/v1/completions", ({ contextLength }) => ({
      ...{ ...sampled, n: SAMPLES, max_tokens: 4 },
      prompt: Array.from({ length: 8 }, (_, at) => ids(contextLength - 4, at)),
    })),
  },
  {
    name: "/v1/vote, 1024 texts in 1 MiB, 16 at once",
    run: many(16, "/v1/vote", () => ({
      task: "math",
      samples: Array.from({ length: 1024 }, (_, at) => ({ text: `${"1,0.".repeat(230)} ${at}` })),
    })),
  },
  {
    name: "/v1/tokenize, 32 700 tokens, 16 at once",
    run: many(16, "/v1/tokenize", () => ({ prompt: "🜏".repeat(10_900), return_token_strs: true })),
  },
  {
    name: "/v1/detokenize, 32768 ids, 16 at once",
    run: many(16, "/v1/detokenize", () => ({ tokens: ids(32_768, 5) })),
  },
  {
    name: "256 bodies of 1 MB",
    run: many(MANY, "/v1/completions", (_, at) => ({
      prompt: ids(10, at),
      max_tokens: 1,
      user: "x".repeat(1_000_000),
    })),
  },
  { name: "2048 answers, 256 connections, nothing read", run: unread },
  { name: "3000 connections and 1024 WebSockets that say nothing", run: silent },
  {
    name: "256 full-context prompts at once",
    run: many(MANY, "/v1/completions", ({ contextLength }, at) => ({
      ...{ ...sampled, max_tokens: 4 },
      prompt: ids(contextLength - 4, at),
    })),
  },
  {
    name: "256 chats without max_tokens at once",
    run: many(MANY, "/v1/chat/completions", (_, at) => ({
      messages: [{ role: "user", content: `Count to ${at}.` }],
    })),
  },
];
const ALL: Kind = {
  name: "all of these at once",
  run: async (limits, end) => void (await Promise.all(KINDS.map(({ run }) => run(limits, end)))),
};

/** The slowest answer of /health while something runs, in milliseconds. */
async function healthUntil(url: string, over: Promise<unknown>): Promise<number> {
  let slowest = 0;
  let isOver = false;
  void over.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const startMs = performance.now();
    try {
      await (await fetch(`${url}/health`)).text();
      slowest = Math.max(slowest, performance.now() - startMs);
    } catch {
      return Number.POSITIVE_INFINITY;
    }
    await new Promise((resolve) => setTimeout(resolve, 4 * SAMPLE_MS));
  }
  return slowest;
}

async function runKind(kind: Kind, limits: Limits, group: MemoryGroup): Promise<string> {
  const endings: Endings = new Map();
  let most = 0;
  const timer = setInterval(() => {
    most = Math.max(most, group.heldBytes());
  }, SAMPLE_MS);
  const startMs = performance.now();
  const running = kind.run(limits, (ending) => {
    const times = endings.get(ending) ?? [];
    times.push((performance.now() - startMs) / 1000);
    endings.set(ending, times);
  });
  const slowest = await healthUntil(limits.url, running);
  await running;
  clearInterval(timer);
  const seconds = (performance.now() - startMs) / 1000;
  const ended = [...endings]
    .map(([ending, times]) => `${times.length} × ${ending} (${median(times).toFixed(0)} s)`)
    .join(", ");
  return `| ${kind.name} | ${ended} | ${(most / MIB).toFixed(0)} | ${seconds.toFixed(0)} s | ${slowest.toFixed(0)} ms | ${group.killed() > 0 ? "killed" : "lives"} |`;
}

interface ModelList {
  readonly data: readonly [
    { readonly context_length: number; readonly memory: { readonly available_bytes: number } },
  ];
}

async function measure(
  limitMib: number,
  model: string,
  kinds: readonly Kind[],
  flags: readonly string[],
): Promise<void> {
  const group = makeMemoryGroup(limitMib * MIB);
  const server = new ServerProcess([
    ...[...MAGDI_SERVE, "--port", "0", "--log-level", "silent", "--model", model],
    ...["--request-timeout-ms", `${REQUEST_TIMEOUT_MS}`, "--queue-timeout-ms", `${QUEUE_TIMEOUT_MS}`],
    // All of this comes from one address, which may take everything.
    ...["--client-share", "1", "--web-socket-requests", `${SOCKET_QUESTIONS}`],
    ...flags,
  ]);
  try {
    group.add(server.child.pid ?? Number.NaN);
    const url = await server.ready();
    const { data } = (await (await fetch(`${url}/v1/models`)).json()) as ModelList; // our own server's
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const part = (name: string) =>
      Number(new RegExp(`^magdi_memory_plan_bytes\\{kind="${name}"\\} (\\S+)$`, "m").exec(metrics)?.[1]);
    const limits = {
      url,
      contextLength: data[0].context_length,
      answerBytes: part("answers"),
      bodyBytes: part("bodies"),
    };
    console.log(`\n${limitMib} MiB: ${/^memory: .*$/m.exec(server.stdout)?.[0] ?? ""}\n`);
    console.log(
      "| request | ended (median after) | most MiB held | took | slowest /health | server |\n|---|---|---|---|---|---|",
    );
    for (const kind of kinds) console.log(await runKind(kind, limits, group));
  } finally {
    server.kill("SIGKILL");
    await server.exited;
    group.remove();
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      limits: { type: "string", default: "1024,2048,4096" },
      model: { type: "string", default: DEFAULT_STUDENT },
      only: { type: "string", default: "" },
    },
  });
  // The server ends with this process.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  if (NO_MEMORY_GROUPS !== false) throw new Error(NO_MEMORY_GROUPS);
  const kinds = [...KINDS, ALL].filter(({ name }) => name.includes(values.only));
  for (const limit of values.limits.split(","))
    await measure(Number(limit), values.model, kinds, positionals);
}

await main();
