// magdi serve --agents with files that cannot be: one line at start, before anything listens.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createServeCommand } from "../../src/cli/serve.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const scratch = scratchFolder();
const endpoint = { base_url: "http://127.0.0.1:9/v1", model: "m" };

/** Its student is never opened: the file is refused before. */
async function started(content: string, ...flags: string[]): Promise<string> {
  const file = path.join(scratch, "agents.json");
  writeFileSync(file, content);
  const command = createServeCommand(() => assert.fail("expected no student to be opened"));
  const ended = command.run(["--port", "0", "--agents", file, ...flags]);
  return ended.then(
    () => "started",
    (error: unknown) => String(error),
  );
}

const two = (...agents: object[]) => JSON.stringify({ agents });

test("a malformed file of agents ends the start, and says what of it is wrong", async () => {
  const b = { name: "b", ...endpoint };
  assert.match(await started("{"), /agents\.json: expected/);
  assert.match(await started(two(b)), /agents\.json: agents: .*2/);
  assert.match(await started(two({ name: "a" }, b)), /agents\.0.*base_url/s);
  assert.match(await started(two({ ...b, prize: 1 }, { ...b, name: "a" })), /agents\.0.*prize/s);
  assert.match(await started(two(b, b)), /found b twice/);
  assert.match(
    await started(two({ name: "a", ...endpoint, key_variable: "NO_SUCH_KEY" }, b)),
    /agent a: expected its key in the variable NO_SUCH_KEY/,
  );
});

test("a student's folder is no agent of a server, and it says why and what to do", async () => {
  const file = two({ name: "mine", student: "run" }, { name: "b", ...endpoint });
  assert.match(await started(file), /agent mine: .* memory .* magdi serve of its own .* base_url/);
});

test("dollars need prices, and debates in the background a bound", async () => {
  const file = two({ name: "a", ...endpoint }, { name: "b", ...endpoint });
  assert.match(await started(file, "--debate-usd-per-day", "1"), /debateUsdPerDay: .* of agent a/);
  assert.match(await started(file, "--shadow-share", "0.5"), /shadowShare: expected shadowUsdPerDay or/);
});
