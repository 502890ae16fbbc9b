// The server on a device: software Vulkan's WebGPU behind the command that users type, and what becomes of it when the
// device is lost.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { importStudent } from "../../src/student/write-student-folder.ts";
import { writeRandomBase } from "../support/random-base.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { NO_SOFTWARE_GPU, SOFTWARE_GPU_ENVIRONMENT } from "../support/software-gpu.ts";
import { post, ServeProcess } from "./serve-process.ts";

const folder = scratchFolder();
const skip =
  NO_SOFTWARE_GPU || (process.arch !== "x64" && "the driver is made to fail by machine code for x64 alone");

async function student(): Promise<string> {
  const [base, out] = [path.join(folder, "base"), path.join(folder, "student")];
  writeRandomBase(base, { tokenizer: true });
  await importStudent({ source: base, out, dtypes: ["fp32"] });
  return out;
}

test("a lost device: streams end with an error event, /ready is 503, and the process ends for its supervisor", {
  skip,
}, async (t) => {
  const settings = ["--batch-rows", "2", "--context-length", "256", "--log-level", "fatal", "--port", "0"];
  const serve = ["bin/magdi.js", "serve", "--model", await student(), "--device", "webgpu", ...settings];
  const preload = ["--import", "tsx", "--import", "./test/e2e/lost-device.ts"];
  const server = new ServeProcess(t, [...preload, ...serve], SOFTWARE_GPU_ENVIRONMENT);
  const url = await server.ready();

  const models = (await (await fetch(`${url}/v1/models`)).json()) as { data: { manifest: object }[] };
  assert.deepEqual(
    models.data.map(({ manifest }) => "device" in manifest && manifest.device),
    ["webgpu"],
  );
  assert.equal((await fetch(`${url}/ready`)).status, 200);
  const question = { prompt: "Tom has 3 apples", max_tokens: 200, ignore_eos: true, stream: true };
  const response = await post(url, "/v1/completions", question);
  assert.equal(response.status, 200);
  assert.ok(response.body);
  let text = "";
  let lost = false;
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    if (lost || !text.includes("data: ")) continue;
    lost = true;
    server.child.kill("SIGWINCH");
  }
  assert.match(text, /"code":"engine_failed"/);
  assert.match(text, /\n\ndata: \[DONE\]\n\n$/);
  const probe = await fetch(`${url}/ready`).catch(() => null);
  // It may already have ended.
  if (probe !== null) assert.equal(probe.status, 503);
  assert.equal(await server.exited, 1);
});
