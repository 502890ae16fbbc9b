// The serve command as a process: ready line, start-up failures, drains on signals.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parseEvents } from "../server/support/running-app.ts";
import { post, ServeProcess, TINY } from "./serve-process.ts";

const ENDLESS = { question: "How long? {{x*}}", stream: true, max_tokens: 60_000 };

test("the ready line's curl line works as it is printed", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0"]);
  const url = await server.ready();
  while (!server.stdout.includes("curl")) await new Promise(setImmediate);
  const curl = /curl -s (\S+) -H 'content-type: application\/json' -d '(.*)'/.exec(server.stdout);
  assert.equal(curl?.[1], `${url}/v1/reason`);
  const response = await post(url, "/v1/reason", JSON.parse(curl?.[2] ?? "{}"));
  assert.equal(response.status, 200);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  test(`behaviour 41: ${signal} drains: running work finishes up to the deadline, then aborts; exit 0`, async (t) => {
    const server = new ServeProcess(t, [...TINY, "--port", "0", "--drain-timeout-ms", "300"]);
    const url = await server.ready();
    const stream = await post(url, "/v1/reason", ENDLESS);
    const short = await post(url, "/v1/reason", { ...ENDLESS, question: "How many? {{The answer is 4.}}" });
    server.child.kill(signal);
    const shortEvents = parseEvents(await short.text());
    assert.equal(shortEvents.at(-2)?.data.answer, "4");
    const events = parseEvents(await stream.text());
    assert.equal(events.at(-1)?.data, "[DONE]");
    assert.equal(events.at(-2)?.data.stop_reason, "abort");
    assert.equal(await server.exited, 0);
  });
}

test("behaviour 41: not ready at once, no new work, and a second signal ends at once", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--drain-timeout-ms", "600000"]);
  const url = await server.ready();
  const stream = await post(url, "/v1/reason", ENDLESS);
  server.child.kill("SIGTERM");
  let ready = await fetch(`${url}/ready`);
  while (ready.status === 200) ready = await fetch(`${url}/ready`);
  assert.equal(ready.status, 503);
  const refused = await post(url, "/v1/reason", { question: "x" });
  assert.equal(refused.status, 503);
  assert.match(await refused.text(), /"shutting_down"/);
  server.child.kill("SIGINT");
  assert.equal(await server.exited, 130);
  await assert.rejects(stream.text());
});

test("a Ctrl-C that npm passes on a second time is one signal", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0", "--drain-timeout-ms", "300"]);
  const url = await server.ready();
  const stream = await post(url, "/v1/reason", ENDLESS);
  server.child.kill("SIGINT");
  server.child.kill("SIGINT");
  assert.equal(parseEvents(await stream.text()).at(-2)?.data.stop_reason, "abort");
  assert.equal(await server.exited, 0);
});

test("an idle server ends at once, kept-alive connections or not", async (t) => {
  const server = new ServeProcess(t, [...TINY, "--port", "0"]);
  const url = await server.ready();
  await (await fetch(`${url}/health`)).text();
  server.child.kill("SIGTERM");
  assert.equal(await server.exited, 0);
});

test("what cannot start says why in one line and exits with 1", async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  t.after(() => taken.close());
  // A listening TCP server's address is an object.
  const { port } = taken.address() as AddressInfo;
  const folder = mkdtempSync(join(tmpdir(), "magdi-serve-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "settings.json");
  writeFileSync(file, '{"drainTimeout": 1}');
  const cases: [string[], NodeJS.ProcessEnv, RegExp][] = [
    [["--port", String(port)], {}, /port \d+ on 127\.0\.0\.1 is in use.*--port/],
    [["--port", "0", "--model", "missing"], {}, /missing: expected a student folder/],
    [["--prot", "1"], {}, /--prot.*--help/],
    [["--port"], {}, /--port.*--help/],
    [["extra"], {}, /extra.*--help/],
    [["--port", "http"], {}, /--port: expected a whole number from 0 to 65535, found "http"/],
    [["--config", file], {}, /drainTimeout is not a setting/],
    [["--config", join(folder, "none.json")], {}, /none\.json: expected a JSON file/],
    [[], { MAGDI_LOG_LEVEL: "loud" }, /MAGDI_LOG_LEVEL: expected one of .*, found "loud"/],
  ];
  await Promise.all(
    cases.map(async ([args, environment, message]) => {
      const server = new ServeProcess(t, [...TINY, ...args], { MAGDI_LOG_LEVEL: "warn", ...environment });
      assert.equal(await server.exited, 1, args.join(" "));
      assert.match(server.stderr, message);
      assert.equal(server.stderr.trim().split("\n").length, 1, server.stderr);
      assert.equal(server.stdout, "");
    }),
  );
});
