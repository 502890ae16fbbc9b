// A server that may open few files: it says so, answers the probes when connections take all it has, and recovers.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { platform } from "node:os";
import { test } from "node:test";
import { ServeProcess, TINY } from "./serve-process.ts";

const DESCRIPTORS = 160;

test("more connections than file descriptors leave the probes answered, and the server as it was", {
  skip: platform() === "linux" ? false : "the limit is read from /proc",
}, async (t) => {
  const flags = ["--port", "0", "--client-share", "1", "--log-level", "warn"];
  const server = new ServeProcess(t, [...TINY, ...flags], {}, { maxOpenFiles: DESCRIPTORS });
  const url = await server.ready();
  const port = Number(new URL(url).port);
  const sockets = await Promise.all(
    Array.from(
      { length: 2 * DESCRIPTORS },
      () =>
        new Promise<Socket>((resolve) => {
          const socket = connect(port, "127.0.0.1");
          t.after(() => socket.destroy());
          socket.on("error", () => resolve(socket));
          socket.once("connect", () => resolve(socket));
        }),
    ),
  );
  const status = async (path: string) =>
    (await fetch(url + path, { headers: { connection: "close" } })).status;
  for (let i = 0; i < 5; i++) {
    assert.equal(await status("/health"), 200);
    assert.equal(await status("/ready"), 200);
  }
  for (const socket of sockets) socket.destroy();
  const deadline = performance.now() + 20_000;
  while ((await status("/v1/models")) !== 200) assert.ok(performance.now() < deadline);
  assert.match(server.stderr, /limit of open files leaves room for fewer connections/);
});
