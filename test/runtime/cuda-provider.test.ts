// The real CUDA provider over a driver without a device: that every format and the training step open and run on it, and
// what crosses the bus. That numbers are right there needs a GPU.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { before, test } from "node:test";
import { promisify } from "node:util";
import { type CudaCheckout, cudaCheckout, NO_CUDA_PROVIDER } from "../support/cuda-without-device.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const skip = NO_CUDA_PROVIDER;
const scratch = scratchFolder();
let checkout: CudaCheckout;

before(() => {
  if (skip === false) checkout = cudaCheckout(path.join(scratch, "checkout"));
});

async function inCheckout(...args: readonly string[]): Promise<unknown> {
  const { folder, environment } = checkout;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", "tsx", "test/support/cuda-steps.ts", path.join(scratch, args.join("-")), ...args],
    { cwd: folder, env: { ...process.env, ...environment } },
  );
  return JSON.parse(stdout);
}

interface Copied {
  readonly toDevice: number;
  readonly toHost: number;
}

interface Served {
  readonly steps: readonly (Copied & {
    readonly count: number;
    readonly past: number;
    readonly candidates: number;
  })[];
  readonly moved: Copied;
}

for (const dtype of ["fp32", "fp16", "q8", "q4", "q4f16"]) {
  test(`${dtype}: of a step on CUDA only ids, lengths and candidates cross the bus, whatever the cache holds`, {
    skip,
  }, async () => {
    const { steps, moved } = (await inCheckout("serving", dtype)) as Served;
    assert.equal(steps.length, 4);
    for (const { count, past, candidates, toHost, toDevice } of steps) {
      const what = `${count} rows at ${past} tokens`;
      // A logit and an id of each candidate, and the likeliest one's probability.
      assert.equal(toHost, count * (candidates * (4 + 8) + 4), what);
      // An id and a length, and shapes.
      assert.ok(toDevice >= count * (8 + 4) && toDevice < count * 64 + 256, `${what}: ${toDevice} bytes`);
    }
    const [few, many] = [steps[0]!, steps[1]!];
    assert.equal(few.toDevice, many.toDevice, "independent of the cache");
    assert.ok(moved.toHost < 4096, `kept tokens are copied on the device: ${moved.toHost} bytes came back`);
  });
}

for (const [dtype, memory] of [
  ["fp32", "kept"],
  ["fp16", "kept"],
  ["fp16", "recomputed"],
] as const) {
  test(`a training step on CUDA, base in ${dtype}, activations ${memory}: adapters go in, gradients come out, weights stay`, {
    skip,
  }, async () => {
    const { toDevice, toHost, parameters, gradients } = (await inCheckout(
      "training",
      dtype,
      memory,
    )) as Copied & {
      parameters: number;
      gradients: number;
    };
    assert.ok(gradients > 0 && toHost >= gradients, `${toHost} bytes came back, ${gradients} are gradients`);
    const losses = 8192;
    assert.ok(toHost < gradients + losses, `${toHost} bytes came back, ${gradients} are gradients`);
    const batch = 65_536;
    assert.ok(toDevice >= parameters && toDevice < parameters + batch, `${toDevice} bytes of ${parameters}`);
  });
}
