// What stands in the log, and what never does: every line of every way through the server, at the lowest level.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { buildApp } from "../../src/server/app.ts";
import { loadConfig, type ServerConfig } from "../../src/server/config.ts";
import { Metrics } from "../../src/server/observation/metrics.ts";
import type { ServedStudent } from "../../src/server/served-student.ts";
import { RawConnection } from "./support/raw-connection.ts";
import type { Json } from "./support/running-app.ts";
import { tinyStudent } from "./support/tiny-student.ts";
import { until } from "./support/until.ts";

const KEY = "sekret-key-0123456789";
const WRONG_KEY = "sekret-wrong-0123456789";
const QUESTION = "Where is the treasure of Ali Baba? {{The answer is cave.}}";
const PRIVATE = /treasure|Ali Baba|sekret|c2VrcmV0|The answer is|cave/;

async function runLogged(t: TestContext, student: ServedStudent, config: Partial<ServerConfig> = {}) {
  const written: string[] = [];
  const app = buildApp({
    student,
    config: { ...loadConfig(), apiKeys: parseKeyList(`alice:${KEY}`), ...config },
    metrics: new Metrics({ processMetrics: false }),
    logging: { level: "trace", stream: { write: (line) => void written.push(line) } },
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  t.after(() => app.close());
  // A listening TCP server's address is an object.
  const { port } = app.server.address() as AddressInfo;
  const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${KEY}`, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, text, id: response.headers.get("x-request-id") };
  };
  const lines = (): Json[] => written.map((line) => JSON.parse(line));
  return { app, port, post, lines, text: () => written.join("") };
}

test("no key and no prompt is ever logged, whatever fails", async (t) => {
  const { app, port, post, lines, text } = await runLogged(t, tinyStudent());
  const messages = [{ role: "user", content: QUESTION }];
  const cases: [string, unknown, Record<string, string>, number][] = [
    ["/v1/reason", { question: QUESTION }, {}, 200],
    ["/v1/reason", { question: QUESTION, stream: true }, {}, 200],
    ["/v1/chat/completions", { messages }, { "x-api-key": KEY, cookie: "session=sekret" }, 200],
    ["/v1/completions", { prompt: QUESTION, stream: true }, {}, 200],
    ["/v1/tokenize", { prompt: QUESTION }, {}, 200],
    ["/v1/reason", `{"question": "${QUESTION}`, {}, 400],
    ["/v1/reason", `${QUESTION}`, {}, 400],
    ["/v1/reason", { question: QUESTION, [QUESTION]: 1 }, {}, 400],
    ["/v1/reason", { question: QUESTION, baseline: QUESTION }, {}, 400],
    ["/v1/reason", { question: QUESTION, model: QUESTION }, {}, 404],
    ["/v1/reason", { question: QUESTION.repeat(100) }, {}, 400],
    ["/v1/reason", { question: QUESTION }, { authorization: `Bearer ${WRONG_KEY}` }, 401],
    ["/v1/reason", { question: QUESTION }, { "content-type": `text/plain; ${WRONG_KEY}` }, 415],
    [`/v1/treasure?api_key=${KEY}`, { question: QUESTION }, {}, 404],
    [`/v1/models/treasure%zz${KEY}`, { question: QUESTION }, {}, 400],
  ];
  for (const [path, body, headers, status] of cases) {
    assert.equal((await post(path, body, headers)).status, status, path);
  }
  const raw = new RawConnection(t, port);
  raw.send(
    `POST /v1/reason HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\ncontent-length: x\r\n\r\n${QUESTION}`,
  );
  await raw.over();
  const cut = new RawConnection(t, port);
  cut.send(
    `POST /v1/reason HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${KEY}\r\ncontent-type: application/json\r\n` +
      `content-length: 999\r\n\r\n{"question": "${QUESTION}`,
  );
  await until(() => app.lifecycle.active === 0);
  cut.destroy();
  for (const key of [KEY, WRONG_KEY]) {
    const protocol = `magdi.key.${Buffer.from(key).toString("base64url")}`;
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/reason/ws`, ["magdi", protocol]);
    if (key === WRONG_KEY) {
      await once(socket, "error");
      continue;
    }
    await once(socket, "open");
    for (const frame of [
      `{${QUESTION}`,
      { type: "reason", id: "a", question: QUESTION, nonsense: QUESTION },
    ]) {
      socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
      await once(socket, "message");
    }
    socket.close();
    await once(socket, "close");
  }
  await app.close();
  assert.ok(lines().length > cases.length);
  assert.doesNotMatch(text(), PRIVATE);
});

test("an error of a request is logged with its kind and place, and not with words of the request", async (t) => {
  const tiny = tinyStudent();
  let render = 0;
  const { post, lines, text } = await runLogged(t, {
    ...tiny,
    chatTemplate: {
      source: null,
      render(messages) {
        render++;
        const said = messages.map(({ content }) => content).join();
        const cause = Object.assign(new Error(`${said}\n    at ${said}`), { code: "E_TEMPLATE" });
        throw new TypeError(`cannot render ${said}`, { cause });
      },
    },
  });
  for (const stream of [false, true]) {
    const failed = await post("/v1/reason", { question: QUESTION, stream });
    assert.equal(failed.status, 500);
    const line = lines().find(({ reqId, err }) => reqId === failed.id && err !== undefined);
    assert.equal(line.err.type, "TypeError");
    assert.match(line.err.message, /^withheld.*logPrompts/);
    assert.match(line.err.stack, /^ {4}at .*render/);
    assert.equal(line.err.cause.code, "E_TEMPLATE");
  }
  assert.equal(render, 2);
  assert.doesNotMatch(text(), PRIVATE);
});

test("a request is one line with its id, its caller's name, its route and what became of it", async (t) => {
  const { post, lines } = await runLogged(t, tinyStudent());
  const answered = await post("/v1/reason", { question: QUESTION }, { "x-request-id": "my-id" });
  assert.equal(answered.id, "my-id");
  const refused = await post("/v1/reason", { question: QUESTION }, { authorization: `Bearer ${WRONG_KEY}` });
  await until(() => lines().filter(({ msg }) => msg === "request").length === 2);
  const [first, second] = lines().filter(({ msg }) => msg === "request");
  assert.deepEqual(
    [first.reqId, first.caller, first.method, first.route, first.statusCode, first.finished],
    ["my-id", "alice", "POST", "/v1/reason", 200, true],
  );
  assert.deepEqual([second.reqId, second.caller, second.statusCode], [refused.id, "unauthenticated", 401]);
});

test("with logPrompts what is asked is logged, up to a bound, and keys still are not", async (t) => {
  const { app, port, post, lines, text } = await runLogged(t, tinyStudent({ contextLength: 16_384 }), {
    logPrompts: true,
  });
  const short = await post("/v1/reason", { question: QUESTION });
  const long = await post("/v1/chat/completions", {
    messages: [{ role: "user", content: `${"long ".repeat(2000)}{{x}}` }],
  });
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/reason/ws`, { headers: { "x-api-key": KEY } });
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "reason", id: "a", question: "Over a socket? {{x}}" }));
  await once(socket, "message");
  socket.terminate();
  await app.close();
  const asked = lines().filter(({ msg }) => msg === "asked");
  assert.deepEqual([asked[0].reqId, asked[0].level], [short.id, 30]);
  assert.match(asked[0].asked, /treasure of Ali Baba/);
  assert.equal(asked[1].reqId, long.id);
  assert.equal(asked[1].asked.length, 2000);
  assert.ok(asked[1].chars > 10_000);
  assert.match(asked[2].asked, /Over a socket/);
  assert.doesNotMatch(text(), /sekret/);
});

test("headers that carry secrets are censored wherever a line has them", async (t) => {
  const { app, text } = await runLogged(t, tinyStudent());
  const headers = {
    authorization: `Bearer ${KEY}`,
    "x-api-key": KEY,
    cookie: KEY,
    "sec-websocket-protocol": KEY,
  };
  app.log.info({ headers, req: { headers }, ...headers }, "a line that should not be");
  assert.doesNotMatch(text(), /sekret/);
  assert.match(text(), /\[redacted\]/);
});
