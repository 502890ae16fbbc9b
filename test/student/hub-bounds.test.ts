// A hub that sends without end, too slowly, too much, or nothing: a real HTTP server whose downloads are bounded.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { type TestContext, test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { downloadFromHub, parseHubId } from "../../src/student/hub.ts";
import { fixture, scratchFolder } from "../support/scratch-folder.ts";

const scratch = scratchFolder();
const CONFIG = readFileSync(fixture("tiny-llama/base/config.json"));

/** Answers a file's request, or does not; null: there is no such file. */
type Sends = ((response: ServerResponse, method: string) => void) | null;

async function failureOf(
  t: TestContext,
  send: (file: string) => Sends,
  more: { readonly patienceMs?: number } = {},
): Promise<{ error: MagdiError; kept: number }> {
  const server = createServer((request, response) => {
    const file = (request.url ?? "").split("/").at(-1) ?? "";
    const sends = send(file);
    if (sends === null) response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
    else sends(response, request.method ?? "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const cacheFolder = mkdtempSync(path.join(scratch, "cache-"));
  const id = parseHubId("tiny/llama");
  assert.ok(id !== null);
  const { port } = server.address() as AddressInfo; // it listens on a port
  const options = {
    cacheFolder,
    endpoint: `http://127.0.0.1:${port}`,
    ...more,
    delay: async () => {},
  };
  const error = await downloadFromHub(id, options).then(
    () => assert.fail("it was downloaded"),
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof MagdiError, String(error));
  const files = readdirSync(cacheFolder, { recursive: true, encoding: "utf8" });
  const sizes = files.map((name) => statSync(path.join(cacheFolder, name))).filter((stats) => stats.isFile());
  return { error, kept: sizes.reduce((sum, { size }) => sum + size, 0) };
}

const whole =
  (bytes: Buffer): Sends =>
  (response, method) => {
    response.writeHead(200, { "content-length": bytes.length });
    response.end(method === "HEAD" ? undefined : bytes);
  };

/** A body of no stated length that does not end. */
const endless: Sends = (response, method) => {
  response.writeHead(200);
  if (method === "HEAD") return void response.end();
  const chunk = Buffer.alloc(2 ** 20, " ");
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once("drain", more);
  };
  more();
};

test("a text without a length is written no further than it is read", async (t) => {
  for (const name of ["config.json", "tokenizer.json"]) {
    const { error, kept } = await failureOf(t, (file) =>
      file === name ? endless : file === "config.json" ? whole(CONFIG) : null,
    );
    assert.equal(error.code, "MAGDI_BAD_FILE");
    assert.match(
      error.message,
      new RegExp(`${name.replace(".", "\\.")}: expected at most 67108864 bytes, found more`),
    );
    assert.ok(kept < 2000, `${kept} bytes are kept`);
  }
});

test("a file that is stated to be too large is not begun", async (t) => {
  let gets = 0;
  const stated =
    (length: number): Sends =>
    (response, method) => {
      if (method === "GET") gets += 1;
      response.writeHead(200, { "content-length": length }).end();
    };
  const text = await failureOf(t, () => stated(2 ** 26 + 1));
  assert.match(text.error.message, /config\.json: expected at most 67108864 bytes, found more/);
  const weights = await failureOf(t, (file) =>
    file === "config.json" ? whole(CONFIG) : file === "model.safetensors" ? stated(2 ** 41) : null,
  );
  assert.match(weights.error.message, /model\.safetensors: expected at most 1099511627776 bytes/);
  const room = await failureOf(t, (file) =>
    file === "config.json" ? whole(CONFIG) : file === "model.safetensors" ? stated(2 ** 40) : null,
  );
  assert.match(room.error.message, /the disk has \d+ bytes left, and the download needs 1099511627776/);
  assert.equal(gets, 0);
});

test("a hub that does not answer, stops, or drips is given up, and what arrived is kept", async (t) => {
  const head = (response: ServerResponse): void =>
    void response.writeHead(200, { "content-length": 1000 }).end();
  const silent: Sends = () => {};
  const stopping: Sends = (response, method) => {
    if (method === "HEAD") return head(response);
    response.writeHead(200, { "content-length": 1000 });
    response.write("{");
  };
  const dripping: Sends = (response, method) => {
    if (method === "HEAD") return head(response);
    response.writeHead(200, { "content-length": 1000 });
    const timer = setInterval(() => response.write(" "), 5);
    response.on("close", () => clearInterval(timer));
  };
  for (const sends of [silent, stopping, dripping]) {
    const { error } = await failureOf(t, () => sends, { patienceMs: 100 });
    assert.equal(error.code, "MAGDI_FILE_MISSING");
    assert.match(error.message, /expected at least 262144 bytes a minute, found fewer again and again/);
  }
});

test("a byte for each connection is no progress that starts the count of attempts anew", async (t) => {
  let gets = 0;
  const { error } = await failureOf(t, () => (response, method) => {
    if (method === "GET") gets += 1;
    response.writeHead(200, { "content-length": 1_000_000 });
    if (method === "HEAD") response.end();
    else response.write("x", () => response.destroy());
  });
  assert.equal(error.code, "MAGDI_FILE_MISSING");
  assert.ok(gets <= 6, `${gets} attempts`);
});

test("an index of too many shards is refused", async (t) => {
  const map = Object.fromEntries(Array.from({ length: 2001 }, (_, at) => [`t${at}`, `s${at}.safetensors`]));
  const { error } = await failureOf(t, (file) =>
    file === "config.json"
      ? whole(CONFIG)
      : file === "model.safetensors.index.json"
        ? whole(Buffer.from(JSON.stringify({ weight_map: map })))
        : null,
  );
  assert.match(error.message, /weight_map: expected at most 2000 files, found 2001/);
});
