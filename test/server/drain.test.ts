// Shutting down while a client does not read: nobody is waited for without end, over real sockets.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { ManualClock } from "../support/manual-clock.ts";
import { type RunningApp, runTiny } from "./support/running-app.ts";
import { until } from "./support/until.ts";

const FILE = "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n";

/** Asks for far more than the kernels hold for it, then a question, and reads nothing. */
async function stalledReader(t: TestContext, server: RunningApp): Promise<void> {
  const socket = connect(server.port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  socket.pause();
  const body = JSON.stringify({ question: "{{x}}" });
  const head = `content-type: application/json\r\ncontent-length: ${body.length}`;
  socket.write(`${FILE.repeat(30)}POST /v1/reason HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\n${body}`);
  await until(() => server.app.lifecycle.active === 1);
}

/** Closes the app while time goes on. */
async function close(server: RunningApp, clock: ManualClock): Promise<void> {
  let closed = false;
  const closing = server.app.close().then(() => {
    closed = true;
  });
  await until(() => {
    clock.advance(100);
    return closed;
  });
  await closing;
}

test("behaviour 41: a client that does not read is waited for two seconds after the deadline, and once", async (t) => {
  const clock = new ManualClock();
  // What lies unread is more than one client may leave.
  const { server, student } = await runTiny(t, { clock, config: { clientShare: 1 } });
  await stalledReader(t, server);
  await until(() => student.engine.stats().requestsRunning === 0 && student.runner.decodeSteps > 0);
  let drained = false;
  const draining = server.app.drain(10_000).then(() => {
    drained = true;
  });
  for (const ms of [10_000, 1999]) {
    clock.advance(ms);
    await nextTurn();
    assert.equal(drained, false);
  }
  clock.advance(1);
  await draining;
  assert.equal(server.app.lifecycle.active, 1, "its answer lies unread");
  await server.app.drain(10_000);
  await close(server, clock);
  await until(() => server.app.lifecycle.active === 0);
});

test("a server that closes waits neither for the reader of a file nor for one of an answer", async (t) => {
  const clock = new ManualClock();
  const { server } = await runTiny(t, { clock });
  await stalledReader(t, server);
  await close(server, clock);
  await until(() => server.app.lifecycle.active === 0);
});
