// Voted questions to the student that ships: every instruction set gives the answers that were recorded with one of them,
// text and log-probabilities, bit for bit.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openKernels } from "../../src/runtime/native-kernels.ts";
import type { Json } from "../server/support/running-app.ts";
import { lasting, readRecordedAnswers } from "../support/recorded-answers.ts";
import { post, ServeProcess } from "./serve-process.ts";

const recorded = readRecordedAnswers();

function isHere(name: string): boolean {
  process.env.MAGDI_KERNELS = name;
  try {
    return openKernels().kind === "native";
  } catch {
    return false;
  } finally {
    delete process.env.MAGDI_KERNELS;
  }
}

for (const name of ["avx512vnni", "avxvnni", "avx2", "neon", "plain"]) {
  const skip = isHere(name) ? false : `this processor has no ${name}`;
  test(`the same seeds give the answers that were recorded: ${name}`, { skip }, async (t) => {
    const server = new ServeProcess(t, ["bin/magdi.js", "serve", "--port", "0"], { MAGDI_KERNELS: name });
    const url = await server.ready();
    // Plain C takes seconds for the last, which is short, and far more for the others.
    const asked = name === "plain" ? recorded.slice(-1) : recorded;
    assert.ok(asked.length > 0);
    await Promise.all(
      asked.map(async ({ request, response }) => {
        const found = await post(url, "/v1/reason", request);
        assert.equal(found.status, 200);
        assert.deepEqual(lasting((await found.json()) as Json), response, request.question);
      }),
    );
  });
}
