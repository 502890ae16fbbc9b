// Work that holds the event loop, when thousands of requests arrive at once: the probes and other clients are answered between.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { LoopTurns } from "../../src/server/transport/loop-turns.ts";
import { RawConnection } from "./support/raw-connection.ts";
import { runTiny } from "./support/running-app.ts";
import { until } from "./support/until.ts";

const loopTurn = () => new Promise(setImmediate);
const there = () => false;

test("one begins a turn of the event loop, clients in turn, and who is gone costs none", async () => {
  const turns = new LoopTurns();
  const begun: string[] = [];
  const take = (client: string, number: number, isGone = there) =>
    void turns
      .take(client, isGone)
      .then((isThere) => begun.push(`${client}${number}${isThere ? "" : " gone"}`));
  for (let number = 0; number < 3; number++) take("a", number);
  for (let number = 3; number < 100; number++) take("a", number, () => true);
  for (let number = 0; number < 2; number++) take("b", number);
  const perTurn: number[] = [];
  for (let turn = 0; turn < 6; turn++) {
    const before = begun.length;
    await loopTurn();
    perTurn.push(begun.filter((who) => !who.endsWith("gone")).length - before);
  }
  assert.deepEqual(
    begun.filter((who) => !who.endsWith("gone")),
    ["a0", "b0", "a1", "b1", "a2"],
  );
  assert.equal(begun.length, 102);
  assert.ok(
    perTurn.every((count) => count <= 1),
    `${perTurn}`,
  );
});

/** 32 connections of one client, each with 8 texts to tokenise. */
async function crowd(t: TestContext) {
  const { server, student } = await runTiny(t, { config: { trustProxy: ["127.0.0.1"], clientShare: 1 } });
  let encoded = 0;
  const { encode } = student.tokenizer;
  t.mock.method(student.tokenizer, "encode", function (this: unknown, ...given: Parameters<typeof encode>) {
    encoded++;
    return Reflect.apply(encode, this, given);
  });
  const other = new RawConnection(t, server.port);
  const connections = Array.from({ length: 32 }, () => new RawConnection(t, server.port));
  for (const connection of [other, ...connections]) {
    connection.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
    await connection.until(/"status"/);
    connection.received = "";
  }
  const json = JSON.stringify({ prompt: "a b ".repeat(1000) });
  const ask = (path: string, from: string, body: string) =>
    `POST ${path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: ${from}\r\ncontent-type: application/json\r\n` +
    `content-length: ${body.length}\r\n\r\n${body}`;
  const begin = () => {
    for (const connection of connections) connection.send(ask("/v1/tokenize", "192.0.2.1", json).repeat(8));
  };
  return { server, connections, other, ask, begin, encoded: () => encoded };
}

test("while hundreds of texts wait to be tokenised, the probes are answered at once, and so is another client", async (t) => {
  const { connections, other, ask, begin, encoded } = await crowd(t);
  begin();
  other.send("GET /health HTTP/1.1\r\nhost: x\r\n\r\n");
  await other.until(/"status"/);
  assert.ok(encoded() < 128, `${encoded()} texts were tokenised before /health was answered`);
  other.send(ask("/v1/tokenize", "192.0.2.9", JSON.stringify({ prompt: "one" })));
  await other.until(/"count"/);
  assert.ok(encoded() < 200, `${encoded()} texts were tokenised before another client's`);
  await until(() => connections.every(({ received }) => received.split('"count"').length === 9));
  assert.equal(encoded(), 257);
});

test("what clients that are gone have asked for is not done", async (t) => {
  const { server, connections, begin, encoded } = await crowd(t);
  begin();
  await until(() => encoded() > 0);
  for (const connection of connections) connection.destroy();
  const open = () =>
    new Promise<number>((resolve) => server.app.server.getConnections((_, count) => resolve(count)));
  while ((await open()) > 1) await loopTurn();
  for (let turn = 0; turn < 300; turn++) await loopTurn();
  assert.ok(encoded() < 200, `${encoded()}`);
});
