// What the command takes, and what it says to the rest.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseArguments } from "../../loadtest/arguments.ts";
import { loopbackUrl } from "../../loadtest/clients/target.ts";

test("amounts come from the scenario unless they are said", () => {
  const args = parseArguments(["--scenario", "mixed"]);
  assert.equal(args?.amounts.seconds, null);
  assert.ok((args?.amounts.requests ?? 0) > 0);
  assert.equal(args?.url, null);
  const said = parseArguments(["--scenario", "soak", "--requests", "5", "--connections", "2", "--seed", "9"]);
  assert.deepEqual(said?.amounts, { connections: 2, requests: 5, seconds: null });
  assert.equal(said?.seed, 9);
  const timed = parseArguments(["--scenario", "steady", "--seconds", "3"]);
  assert.equal(timed?.amounts.seconds, 3);
});

test("what follows -- is the server's", () => {
  const args = parseArguments(["--scenario", "drain", "--", "--batch-rows", "4"]);
  assert.deepEqual(args?.serverFlags, ["--batch-rows", "4"]);
});

test("help is no scenario", () => {
  assert.equal(parseArguments(["--help"]), null);
});

test("what makes no sense is refused in one line that says what was expected", () => {
  const cases: [string[], RegExp][] = [
    [[], /--scenario: expected one of steady, .*; found none/],
    [["--scenario", "flood"], /found flood/],
    [["--scenario", "mixed", "--conections", "3"], /--conections.*--help/],
    [
      ["--scenario", "mixed", "--connections", "0"],
      /--connections: expected a whole number from 1 to 512, found 0/,
    ],
    [["--scenario", "mixed", "--connections", "5000"], /512, found 5000/],
    [["--scenario", "mixed", "--seconds", "1e9"], /--seconds: .*7200, found 1e9/],
    [["--scenario", "mixed", "--requests", "-1"], /--requests/],
    [["--scenario", "mixed", "--requests", "5", "--seconds", "5"], /found both/],
    [["--scenario", "drain", "--seconds", "5"], /counted in requests/],
    [["--scenario", "drain", "--url", "http://127.0.0.1:1"], /starts its own/],
    [
      ["--scenario", "mixed", "--url", "http://127.0.0.1:1", "--", "--port", "2"],
      /server that the load test starts/,
    ],
    [["--scenario", "mixed", "more"], /flags only, found more/],
  ];
  for (const [argv, message] of cases) {
    assert.throws(
      () => parseArguments(argv),
      (error: Error) => message.test(error.message) && !error.message.includes("\n"),
      argv.join(" "),
    );
  }
});

test("only this machine is loaded", () => {
  assert.equal(loopbackUrl("http://127.0.0.1:8080/"), "http://127.0.0.1:8080");
  assert.equal(loopbackUrl("http://127.8.0.1:80"), "http://127.8.0.1");
  assert.equal(loopbackUrl("http://localhost:9"), "http://localhost:9");
  assert.equal(loopbackUrl("http://[::1]:9"), "http://[::1]:9");
  for (const url of [
    "http://10.0.0.1:8080",
    "http://example.org",
    "http://[2001:db8::1]",
    "http://localhost.example.org",
    "http://127.0.0.1.example.org",
  ]) {
    assert.throws(() => loopbackUrl(url), /expected this machine .*load test floods its target/, url);
  }
  for (const url of ["https://127.0.0.1", "127.0.0.1:8080", "http://127.0.0.1/v1"]) {
    assert.throws(() => loopbackUrl(url), /--url: expected/, url);
  }
});
