// Clients that close their sending side after a whole request, over real sockets: they get their answers, and those that
// are gone are still noticed.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ManualClock } from "../support/manual-clock.ts";
import { bodyOf, CHAT, chat, INFERENCE, TEXT } from "./support/openai-shapes.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { type Json, parseEvents, type RunningApp, runTiny } from "./support/running-app.ts";
import { until } from "./support/until.ts";

const post = (path: string, body: object, version = "1.1") => {
  const json = JSON.stringify(body);
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(json)}`;
  return `POST ${path} HTTP/${version}\r\nhost: x\r\n${head}\r\n\r\n${json}`;
};

/** Sends, ends its side, and gives all that comes. */
async function halfClosed(t: TestContext, server: RunningApp, bytes: string): Promise<string> {
  const connection = new RawConnection(t, server.port);
  connection.send(bytes);
  connection.end();
  const received = await connection.over();
  connection.destroy();
  return received;
}

const bodiesOf = (received: string): Json[] =>
  [...received.matchAll(/\r\n\r\n(\{.*?\})(?=HTTP\/1\.1 |$)/gs)].map(([, json]) => JSON.parse(json!));

for (const path of INFERENCE) {
  test(`a client that closes its sending side after a whole request gets its answer (${path})`, async (t) => {
    const { server } = await runTiny(t);
    for (const version of ["1.1", "1.0"]) {
      const received = await halfClosed(t, server, post(path, bodyOf(path, "{{abc}}"), version));
      assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
      const [body] = bodiesOf(received);
      assert.equal(body.reasoning ?? body.choices[0].text ?? body.choices[0].message.content, "abc");
    }
    const streamed = await halfClosed(
      t,
      server,
      post(path, bodyOf(path, "{{abc}}", { stream: true }), "1.0"),
    );
    assert.match(streamed, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(streamed, /data: \[DONE\]\n\n$/);
    await until(() => server.app.lifecycle.active === 0);
    assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 0);
  });

  test(`a half-closed client that waits long reads nothing but its answer (${path})`, async (t) => {
    for (const stream of [false, true]) {
      const { server, student } = await runTiny(t, { clock: new ManualClock() });
      const release = student.runner.hold();
      const held = student.runner.stepHeld();
      const connection = new RawConnection(t, server.port);
      connection.send(post(path, bodyOf(path, "{{abc}}", { stream }), "1.0"));
      connection.end();
      await held;
      // It is probed meanwhile; a text's stream begins with its first token.
      await connection.until(stream && path !== TEXT ? /\n:\n\n/ : /^HTTP/);
      release();
      const received = await connection.over();
      assert.match(received, /^HTTP\/1\.1 200 OK\r\n/);
      assert.equal([...received.matchAll(/HTTP/g)].length, 1);
      if (stream) {
        const events = parseEvents(
          received.slice(received.indexOf("\r\n\r\n") + 4).replaceAll(/^:\n\n/gm, ""),
        );
        assert.equal(events.at(-1)?.data, "[DONE]");
      } else assert.equal(bodiesOf(received).length, 1);
    }
  });

  test(`a client that is gone is noticed, though it ended its side first (${path})`, async (t) => {
    for (const stream of [false, true]) {
      const { server, student } = await runTiny(t, { clock: new ManualClock() });
      const release = student.runner.hold();
      const held = student.runner.stepHeld();
      const connection = new RawConnection(t, server.port);
      connection.send(post(path, bodyOf(path, "{{abc}}", { stream })));
      connection.end();
      await held;
      connection.destroy();
      await until(() => server.app.lifecycle.active === 0);
      assert.equal(student.engine.stats().requestsRunning, 0);
      assert.equal(await server.metric('magdi_request_failures_total{reason="disconnect"}'), 1);
      release();
    }
  });
}

test("pipelined requests of a half-closed client are all answered, in order", async (t) => {
  const { server } = await runTiny(t);
  const health = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
  const asked = ["{{a}}", "{{b}}", "{{c}}"].map((text) => post(CHAT, chat(text)));
  const received = await halfClosed(t, server, `${health}${asked.join(health)}`);
  const bodies = bodiesOf(received);
  assert.equal(bodies.length, 6);
  const said = bodies.flatMap(({ choices }) => choices?.[0].message.content ?? []);
  assert.deepEqual(said, ["a", "b", "c"]);
});

test("errors reach a half-closed client too", async (t) => {
  const { server } = await runTiny(t);
  assert.match(await halfClosed(t, server, post(CHAT, {})), /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(await halfClosed(t, server, post("/v1/nothing", {})), /^HTTP\/1\.1 404 Not Found\r\n/);
  assert.match(await halfClosed(t, server, post(CHAT, chat("x".repeat(600)))), /context_length_exceeded/);
});
