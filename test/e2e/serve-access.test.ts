// Keys and half-sent requests, as the operator of a server process meets them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { post, ServeProcess, TINY } from "./serve-process.ts";

const KEY = "sekret-key-0123456789";
const WARNING = /no API keys are set.*MAGDI_API_KEYS_FILE/;
const QUESTION = { question: "How many? {{The answer is 4.}}" };

test("a server that others can reach warns when it has no keys", async (t) => {
  const start = async (args: string[], environment: NodeJS.ProcessEnv = {}) => {
    const server = new ServeProcess(t, [...TINY, "--port", "0", ...args], environment);
    const url = await server.ready();
    return { server, url };
  };
  const [open, closed, local] = await Promise.all([
    start(["--host", "0.0.0.0"]),
    start(["--host", "0.0.0.0"], { MAGDI_API_KEYS: `alice:${KEY}` }),
    start([]),
  ]);
  for (const { server } of [open, closed, local]) {
    server.child.kill("SIGTERM");
    assert.equal(await server.exited, 0);
  }
  assert.match(open.server.stderr, WARNING);
  assert.doesNotMatch(closed.server.stderr, WARNING);
  assert.doesNotMatch(local.server.stderr, WARNING);
});

test("behaviour 22: a process with keys answers who has one, and shows none", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0"], {
    MAGDI_API_KEYS: `alice:${KEY}`,
    MAGDI_LOG_LEVEL: "trace",
  });
  const url = await server.ready();
  assert.equal((await post(url, "/v1/reason", QUESTION)).status, 401);
  const answered = await fetch(`${url}/v1/reason`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${KEY}` },
    body: JSON.stringify(QUESTION),
  });
  assert.equal(answered.status, 200);
  server.child.kill("SIGTERM");
  assert.equal(await server.exited, 0);
  assert.match(server.stdout, /authorization: Bearer \$KEY/);
  assert.doesNotMatch(server.stdout + server.stderr, /sekret/);
});

test("wrong keys end the start with one line that does not repeat them", async (t) => {
  const cases: [string[], NodeJS.ProcessEnv, RegExp][] = [
    [[], { MAGDI_API_KEYS: KEY }, /MAGDI_API_KEYS: entry 1: expected name:key/],
    [["--api-keys-file", "/none/such"], {}, /apiKeysFile: expected \/none\/such to be a file of API keys/],
    [["--api-keys", `alice:${KEY}`], {}, /--api-keys.*--help/],
  ];
  await Promise.all(
    cases.map(async ([args, environment, message]) => {
      const server = new ServeProcess(t, [...TINY, "--port", "0", ...args], environment);
      assert.equal(await server.exited, 1);
      assert.match(server.stderr, message);
      assert.equal(server.stderr.trim().split("\n").length, 1, server.stderr);
      assert.doesNotMatch(server.stderr, /sekret/);
    }),
  );
});

test("behaviour 41: half-sent requests do not hold up the end", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0"]);
  const url = new URL(await server.ready());
  for (const half of [
    "",
    "GET /hea",
    "POST /v1/reason HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{",
  ]) {
    const socket = connect(Number(url.port), url.hostname);
    socket.on("error", () => {});
    t.after(() => socket.destroy());
    await once(socket, "connect");
    socket.write(half);
  }
  assert.equal((await post(url.origin, "/v1/reason", QUESTION)).status, 200);
  server.child.kill("SIGTERM");
  assert.equal(await server.exited, 0);
});
