import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { MagdiError } from "../../src/base/errors.ts";
import { chooseDevice, unavailable } from "../../src/runtime/device.ts";
import type { Device } from "../../src/runtime/device-name.ts";
import { NO_SOFTWARE_GPU, SOFTWARE_GPU_ENVIRONMENT, useSoftwareGpu } from "../support/software-gpu.ts";

const run = promisify(execFile);

/** What a process of its own finds: once a driver is loaded, it stays. */
async function elsewhere(environment: NodeJS.ProcessEnv, expression: string): Promise<unknown> {
  const module = new URL("../../src/runtime/device.ts", import.meta.url).href;
  const script = `import { chooseDevice, unavailable } from ${JSON.stringify(module)};
    console.log(JSON.stringify(await ${expression}));`;
  const args = ["--import", "tsx", "--input-type=module", "--eval", script];
  const { stdout } = await run(process.execPath, args, { env: { ...process.env, ...environment } });
  return JSON.parse(stdout);
}

const NO_DRIVER = { VK_ICD_FILENAMES: "/nowhere/icd.json", VK_DRIVER_FILES: "/nowhere/icd.json" };

test("a device that cannot be used says why in a sentence, and the processor always can be", async () => {
  assert.equal(await unavailable("cpu"), null);
  const webgpu = await elsewhere(NO_DRIVER, `unavailable("webgpu")`);
  assert.match(String(webgpu), /^Failed to get a WebGPU adapter: /);
});

test("auto takes the first of cuda, webgpu and cpu that works, and tells of the others", async () => {
  const choice = (await elsewhere(NO_DRIVER, `chooseDevice("auto")`)) as Awaited<
    ReturnType<typeof chooseDevice>
  >;
  const order: Device[] = ["cuda", "webgpu", "cpu"];
  const tried = [...choice.passedOver.map(({ device }) => device), choice.device];
  assert.deepEqual(tried, order.slice(0, tried.length));
  for (const { reason } of choice.passedOver) assert.ok(reason.length > 10, reason);
  assert.deepEqual(await chooseDevice("cpu"), { device: "cpu", passedOver: [] });
});

test("a device that is asked for by name and cannot be used is an error that says why", async () => {
  const missing = await unavailable("cuda");
  if (missing === null) {
    assert.deepEqual(await chooseDevice("cuda"), { device: "cuda", passedOver: [] });
    return;
  }
  await assert.rejects(chooseDevice("cuda"), (error: unknown) => {
    assert.ok(error instanceof MagdiError);
    assert.equal(error.code, "MAGDI_UNSUPPORTED");
    assert.ok(error.message.includes(`device cuda cannot be used: ${missing}`), error.message);
    return true;
  });
});

test("WebGPU is available over software Vulkan, again and again", { skip: NO_SOFTWARE_GPU }, async () => {
  useSoftwareGpu();
  assert.equal(await unavailable("webgpu"), null);
  assert.equal(await unavailable("webgpu"), null);
  assert.deepEqual(await chooseDevice("webgpu"), { device: "webgpu", passedOver: [] });
  assert.equal(await elsewhere(SOFTWARE_GPU_ENVIRONMENT, `unavailable("webgpu")`), null);
});
