// Signals to a process with open sockets: what runs on them ends properly, and idle ones hold up nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectSocket } from "../server/support/socket-client.ts";
import { ServeProcess, TINY } from "./serve-process.ts";

const ENDLESS = "How long? {{x*}}";

test("behaviour 41: SIGTERM lets a socket's questions finish, aborts the rest at the deadline, and closes with 1001", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--drain-timeout-ms", "2000"]);
  const port = Number(new URL(await server.ready()).port);
  const busy = await connectSocket(t, { port });
  const idle = await connectSocket(t, { port });
  for (let i = 0; i < 10; i++) busy.ask(`long-${i}`, ENDLESS, { max_tokens: 60_000 });
  busy.ask("short", "How many? {{The answer is 4.}}");
  await busy.frame(({ type, id }) => type === "accepted" && id === "short");
  server.child.kill("SIGTERM");
  assert.equal((await busy.last("short")).answer, "4");
  for (let i = 0; i < 10; i++) assert.equal((await busy.last(`long-${i}`)).stop_reason, "abort");
  assert.equal((await busy.closed).code, 1001);
  assert.equal((await idle.closed).code, 1001);
  assert.equal(await server.exited, 0);
});

test("behaviour 41: a second signal ends a process with open sockets at once", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--drain-timeout-ms", "600000"]);
  const port = Number(new URL(await server.ready()).port);
  const client = await connectSocket(t, { port });
  client.ask("long", ENDLESS, { max_tokens: 60_000 });
  await client.frame(({ type }) => type === "token");
  server.child.kill("SIGTERM");
  for (let i = 0, code = ""; code !== "shutting_down"; i++) {
    client.ask(`late-${i}`, "Two? {{The answer is 2.}}");
    code = (await client.last(`late-${i}`)).error?.code;
  }
  server.child.kill("SIGINT");
  assert.equal(await server.exited, 130);
  assert.equal((await client.closed).code, 1006);
});
