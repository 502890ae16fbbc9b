// Uploads to a hub over real HTTP.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { type UploadFile, type UploadOptions, uploadToHub } from "../../src/student/hub-upload.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { UploadHub } from "../support/upload-hub.ts";

const folder = scratchFolder();
const weights = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) % 251));
const file = path.join(folder, "model.safetensors");
writeFileSync(file, weights);

const FILES: readonly UploadFile[] = [
  { path: "README.md", content: { text: "# A model\n" } },
  { path: "deep/model.safetensors", content: { file } },
];

async function startHub(t: TestContext): Promise<UploadHub> {
  const hub = await UploadHub.start();
  t.after(() => hub.stop());
  return hub;
}

function upload(hub: UploadHub, options: Partial<UploadOptions> = {}, files = FILES): Promise<string> {
  return uploadToHub(files, {
    repository: hub.repository,
    endpoint: hub.endpoint,
    token: hub.token,
    summary: "Upload",
    delay: async () => {},
    ...options,
  });
}

const callsOf = (hub: UploadHub): string[] =>
  hub.requests.map(({ call }) => call.replace(/[0-9a-f]{64}/, "OID"));

test("a new repository is private, large files go to storage in one piece, all come in one commit", async (t) => {
  const hub = await startHub(t);
  const seen: number[] = [];
  assert.equal(
    await upload(hub, { onProgress: ({ done }) => seen.push(done) }),
    `${hub.endpoint}/me/model/commit/abc`,
  );
  assert.deepEqual(hub.created, { type: "model", name: "model", organization: "me", private: true });
  assert.deepEqual([...hub.files.keys()].sort(), ["README.md", "deep/model.safetensors"]);
  assert.equal(hub.files.get("README.md")?.toString(), "# A model\n");
  assert.ok(hub.files.get("deep/model.safetensors")?.equals(weights));
  assert.deepEqual(callsOf(hub), [
    "POST /api/repos/create",
    "POST /api/models/me/model/preupload/main",
    "POST /me/model.git/info/lfs/objects/batch",
    "PUT /storage/OID",
    "POST /verify",
    "POST /api/models/me/model/commit/main",
  ]);
  // Storage takes no chunked bodies.
  const put = hub.requests.find(({ call }) => call.startsWith("PUT"));
  assert.equal(put?.contentLength, String(weights.length));
  assert.equal(put?.chunked, false);
  assert.deepEqual(seen, [weights.length]);
});

test("what is too large for one piece goes in parts", async (t) => {
  const hub = await startHub(t);
  hub.exists = true;
  hub.partBytes = 131_072;
  const seen: number[] = [];
  await upload(hub, { onProgress: ({ done }) => seen.push(done) });
  assert.ok(hub.files.get("deep/model.safetensors")?.equals(weights));
  assert.deepEqual(seen, [131_072, 262_144, 300_000, 300_000]);
});

test("a run that broke off goes on where it was: what is in storage is not sent again", async (t) => {
  const hub = await startHub(t);
  hub.fault = (call) => (call.includes("/commit/") ? { status: 422, body: "no" } : null);
  await assert.rejects(upload(hub), {
    code: "MAGDI_NOT_WRITTEN",
    message: /answered 422 for me\/model \(no\)/,
  });
  hub.fault = () => null;
  hub.requests.length = 0;
  await upload(hub);
  assert.ok(!hub.requests.some(({ call }) => call.startsWith("PUT")));
  assert.ok(hub.files.get("deep/model.safetensors")?.equals(weights));
});

test("what may pass is tried again, five times", async (t) => {
  const hub = await startHub(t);
  let failures = 2;
  hub.fault = (call) => (call.startsWith("PUT") && failures-- > 0 ? { status: 503 } : null);
  await upload(hub);
  assert.ok(hub.files.get("deep/model.safetensors")?.equals(weights));
  hub.objects.clear();
  hub.requests.length = 0;
  hub.fault = (call) => (call.startsWith("PUT") ? { status: 500 } : null);
  await assert.rejects(upload(hub), { code: "MAGDI_NOT_WRITTEN", message: /answered 500 .*again and again/ });
  assert.equal(hub.requests.filter(({ call }) => call.startsWith("PUT")).length, 5);
});

test("a wrong token, a token without the right, an owner that is not there, a repository that moved", async (t) => {
  const hub = await startHub(t);
  await assert.rejects(upload(hub, { token: "hf_other" }), {
    code: "MAGDI_BAD_CONFIG",
    message: /answered 401 for me\/model .*HF_TOKEN is not valid/,
  });
  await assert.rejects(upload(hub, { repository: "you/model" }), {
    code: "MAGDI_BAD_CONFIG",
    message: /answered 404 for you\/model .*HF_TOKEN may not write there, or there is no such owner/,
  });
  hub.fault = () => ({ status: 403, body: "Forbidden" });
  await assert.rejects(upload(hub), {
    code: "MAGDI_BAD_CONFIG",
    message: /answered 403 for me\/model \(Forbidden\): HF_TOKEN may not write there/,
  });
  hub.fault = (call) => (call.includes("preupload") ? { status: 307 } : null);
  await assert.rejects(upload(hub), { code: "MAGDI_BAD_CONFIG", message: /it has moved to/ });
});

test("whoever may not create may write to what exists", async (t) => {
  const hub = await startHub(t);
  hub.fault = (call) => (call.endsWith("/create") ? { status: 403 } : null);
  await upload(hub);
  assert.equal(hub.files.size, 2);
});

test("a hub that is not there is named", async (t) => {
  const hub = await startHub(t);
  await hub.stop();
  t.mock.method(hub, "stop", async () => {});
  await assert.rejects(upload(hub), {
    code: "MAGDI_NOT_WRITTEN",
    message: /127\.0\.0\.1:\d+: the connection failed again and again \(ECONNREFUSED\)/,
  });
});

test("an answer that is not the hub's is refused", async (t) => {
  const hub = await startHub(t);
  hub.fault = (call) => (call.includes("preupload") ? { status: 200, body: '{"files":[{}]}' } : null);
  await assert.rejects(upload(hub), {
    code: "MAGDI_NOT_WRITTEN",
    message: /its answer is not the hub's: files\.0\.path/,
  });
  hub.fault = (call) => (call.includes("batch") ? { status: 200, body: '{"objects":[]}' } : null);
  await assert.rejects(upload(hub), { message: /model\.safetensors: the hub names no place for it/ });
});

test("the token goes to the hub alone, not to its storage", async (t) => {
  const hub = await startHub(t);
  const storage = await startHub(t);
  // Storage of another origin, as hubs have it.
  const elsewhere: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (!String(input).includes("/objects/batch")) return response;
    const text = (await response.text()).replaceAll(`${hub.endpoint}/storage`, `${storage.endpoint}/storage`);
    return new Response(text.replaceAll(/,"verify":\{[^}]*\}/g, ""));
  };
  await upload(hub, { fetch: elsewhere });
  assert.deepEqual(
    storage.requests.map(({ authorization }) => authorization),
    [null],
  );
  assert.ok(hub.requests.every(({ authorization }) => authorization === "Bearer hf_secret"));
});
