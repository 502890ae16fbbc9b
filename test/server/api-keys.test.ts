// API keys: how they are read, from where, and what is said of wrong ones without repeating them.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { ApiKeys, openApiKeys, parseKeyList } from "../../src/server/access/api-keys.ts";
import { chooseSubprotocol, loginKey, presentedKey } from "../../src/server/access/authentication.ts";
import { loadConfig, SERVER_SETTINGS } from "../../src/server/config.ts";
import { scratchFolder } from "../support/scratch-folder.ts";

const folder = scratchFolder();
const KEY = "alices-secret-0123456789";
const OTHER = "bobs-secret:with,colon-01";
const hashOf = (key: string) => createHash("sha256").update(key).digest("hex");

function fileOf(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

const open = (file: string | null, environment?: string) =>
  openApiKeys(
    loadConfig({
      environment: { MAGDI_API_KEYS: environment },
      flags: file === null ? {} : { "api-keys-file": file },
    }),
  );

/** What a key may do whose entry says nothing of it. */
const plain = (name: string) => ({ name, account: name, weight: 1, rights: ["ask"] });

test("keys of a file, in JSON or in lines, whole or as hashes, and of the environment", () => {
  const json = fileOf("a.json", JSON.stringify({ alice: KEY, bob: OTHER }));
  const lines = fileOf(
    "b.txt",
    `# who may ask\r\n\r\nalice: ${KEY}\r\nbob:sha256:${hashOf(OTHER).toUpperCase()}\r\n`,
  );
  for (const keys of [open(json), open(lines)]) {
    assert.ok(keys !== null);
    assert.deepEqual(keys.callerOf(KEY), plain("alice"));
    assert.deepEqual(keys.callerOf(OTHER), plain("bob"));
    for (const wrong of ["", KEY.slice(1), `${KEY} `, KEY.toUpperCase(), hashOf(KEY), "alice"]) {
      assert.equal(keys.callerOf(wrong), null, wrong);
    }
  }
  const both = open(lines, "carol:carols-secret-0123456,");
  assert.deepEqual(both?.callerOf("carols-secret-0123456"), plain("carol"));
  assert.deepEqual(both?.callerOf(KEY), plain("alice"));
  assert.equal(open(null), null);
  assert.equal(open(null, ""), null);
});

test("a key's weight and rights, in lines, in JSON and in the environment", () => {
  const shown = (keys: ApiKeys | null) =>
    [KEY, OTHER, "carols-secret-0123456"].map((key) => keys?.callerOf(key));
  const expected = [
    { ...plain("alice"), weight: 2.5 },
    { ...plain("bob"), rights: ["metrics"] },
    { ...plain("carol"), weight: 4, rights: ["ask", "metrics"] },
  ];
  const [alice, bob] = [`alice:${KEY} weight=2.5`, `bob: sha256:${hashOf(OTHER)}  rights=metrics`];
  const carol = "carol:carols-secret-0123456 rights=ask+metrics weight=4";
  assert.deepEqual(shown(open(fileOf("options.txt", `${alice}\n${bob}\t\n${carol}`))), expected);
  assert.deepEqual(shown(open(null, `${alice}, ${bob}, ${carol}`)), expected);
  const json = {
    alice: { key: KEY, weight: 2.5 },
    bob: { key: `sha256:${hashOf(OTHER)}`, rights: ["metrics"] },
    carol: { key: "carols-secret-0123456", rights: ["ask", "metrics", "ask"], weight: 4 },
  };
  assert.deepEqual(shown(open(fileOf("options.json", JSON.stringify(json)))), expected);
});

test("only hashes of keys stay", () => {
  const config = loadConfig({ environment: { MAGDI_API_KEYS: `alice:${KEY}` } });
  assert.doesNotMatch(JSON.stringify(config), /alices-secret/);
  assert.equal(config.apiKeys?.[0]?.hash.toString("hex"), hashOf(KEY));
  assert.equal(Object.keys(new ApiKeys(parseKeyList(`alice:${KEY}`))).length, 0);
});

test("wrong keys are one line that names the setting and repeats nothing", () => {
  const short = "alice:too-short";
  const cases: [string | null, string | undefined, RegExp][] = [
    [null, KEY, /^MAGDI_API_KEYS: entry 1: expected name:key, found no colon$/],
    [
      null,
      `alice:${KEY},${KEY}:alice`,
      /^MAGDI_API_KEYS: entry 2: expected a key of 16 to 512 .* found 5; openssl/,
    ],
    [null, `alice:${KEY},alice:${OTHER}`, /^MAGDI_API_KEYS: entry 3: expected name:key/],
    [null, `alice:${KEY},alice:${KEY}x`, /^MAGDI_API_KEYS: expected each name once/],
    [null, `alice:${KEY},bob:${KEY}`, /^MAGDI_API_KEYS: expected each key under one name/],
    [null, `alice:sha256:${KEY}`, /^MAGDI_API_KEYS: entry 1: expected 64 hexadecimal digits/],
    [null, "alice:ключ-ключ-ключ-ключ", /^MAGDI_API_KEYS: entry 1: expected a key of printable ASCII/],
    [null, `al ice:${KEY}`, /^MAGDI_API_KEYS: entry 1: expected a name/],
    [null, ",", /^MAGDI_API_KEYS: /],
    [path.join(folder, "none"), undefined, /^apiKeysFile: expected .*none to be a file of API keys.*ENOENT/],
    [folder, undefined, /^apiKeysFile: expected .* to be a file of API keys.*EISDIR/],
    [fileOf("empty", "\n# nobody\n"), undefined, /^apiKeysFile: .*empty: expected at least one/],
    [fileOf("short", `\n${short}\n`), undefined, /^apiKeysFile: .*short: line 2: expected a key/],
    [fileOf("broken.json", `{"alice": "${KEY}"`), undefined, /^apiKeysFile: .*: expected a JSON object/],
    [fileOf("none.json", "{}"), undefined, /^apiKeysFile: .*: expected at least one/],
    [fileOf("deep.json", `{"alice": ["${KEY}"]}`), undefined, /^apiKeysFile: .*: entry 1: expected a text/],
    [
      fileOf("deeper.json", `{"alice": {"key": ["${KEY}"]}}`),
      undefined,
      /entry 1: expected a text, or an object with key, weight and rights$/,
    ],
    [fileOf("no-key.json", `{"alice": {"weight": 2}}`), undefined, /entry 1: expected a text, or an object/],
    [
      fileOf("field.json", `{"alice": {"key": "${KEY}", "wieght": 2}}`),
      undefined,
      /entry 1: expected the fields key, weight and rights alone, found another$/,
    ],
    [
      fileOf("field-twice.json", `{"a": {"key": "${KEY}", "weight": 1, "weight": 2}}`),
      undefined,
      /each name once/,
    ],
    ...["0", "-1", "101", "many", "Infinity", "1e9"].map((weight): [null, string, RegExp] => [
      null,
      `alice:${KEY} weight=${weight}`,
      /^MAGDI_API_KEYS: entry 1: weight: expected a number from 0.01 to 100$/,
    ]),
    [null, `alice:${KEY} rights=all`, /entry 1: rights: expected some of ask, metrics, debate$/],
    [null, `alice:${KEY} rights=ask+`, /entry 1: rights: expected some of ask, metrics, debate$/],
    [null, `alice:${KEY} rights=`, /entry 1: after the key, expected weight=NUMBER from 0.01 to 100, or/],
    [null, `alice:${KEY} weight=1 weight=2`, /entry 1: after the key, expected weight=NUMBER/],
    [null, `alice:${KEY} ${OTHER}`, /entry 1: after the key, expected weight=NUMBER/],
    [fileOf("twice.json", `{"a": "${KEY}", "a": "${KEY}x"}`), undefined, /each name once/],
    [
      fileOf("a.txt", `alice:${KEY}`),
      `alice:${KEY}x`,
      /^apiKeysFile: MAGDI_API_KEYS and .*a.txt together: expected each name/,
    ],
    [
      fileOf("b.txt", `alice:${KEY}`),
      `bob:${KEY}`,
      /^apiKeysFile: MAGDI_API_KEYS and .*: expected each key under one name/,
    ],
    [
      null,
      Array.from({ length: 1001 }, (_, i) => `k${i}:${KEY}${i}`).join(),
      /at most 1000 keys, found 1001/,
    ],
  ];
  for (const [file, environment, message] of cases) {
    assert.throws(
      () => open(file, environment),
      (error) => {
        assert.ok(error instanceof MagdiError);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /secret|too-short|ключ|\n/);
        assert.equal(error.cause, undefined);
        return true;
      },
      String(message),
    );
  }
});

test("keys are no flag and no key of the settings file", () => {
  const setting = SERVER_SETTINGS.find(({ key }) => key === "apiKeys");
  assert.deepEqual([setting?.flag, setting?.variable], [null, "MAGDI_API_KEYS"]);
  const file = fileOf("settings.json", JSON.stringify({ apiKeys: `alice:${KEY}` }));
  assert.throws(() => loadConfig({ file }), /apiKeys is read from the environment alone, as MAGDI_API_KEYS$/);
  assert.equal(loadConfig({ flags: { "api-keys": `alice:${KEY}`, null: "x" } }).apiKeys, null);
});

test("lists and switches are read from text", () => {
  const { corsOrigins, logPrompts } = loadConfig({
    environment: { MAGDI_CORS_ORIGINS: "https://a.example, https://b.example", MAGDI_LOG_PROMPTS: "true" },
  });
  assert.deepEqual(corsOrigins, ["https://a.example", "https://b.example"]);
  assert.equal(logPrompts, true);
  assert.throws(
    () => loadConfig({ flags: { "log-prompts": "yes" } }),
    /--log-prompts: expected true or false/,
  );
});

test("where a request may carry its key", () => {
  const encoded = Buffer.from(KEY).toString("base64url");
  const socket = { upgrade: "websocket", "sec-websocket-protocol": `magdi, magdi.key.${encoded}` };
  assert.equal(presentedKey({ authorization: `Bearer ${KEY}` }), KEY);
  assert.equal(presentedKey({ authorization: `bearer  ${KEY} ` }), KEY);
  assert.equal(presentedKey({ "x-api-key": KEY }), KEY);
  assert.equal(presentedKey({ authorization: "Basic eDp5", "x-api-key": KEY }), KEY);
  assert.equal(presentedKey(socket), KEY);
  assert.equal(presentedKey({ "sec-websocket-protocol": `magdi.key.${encoded}` }), null);
  for (const authorization of ["", "Bearer", "Bearer ", KEY, `Basic ${KEY}`, `Bearer ${KEY} x`]) {
    assert.equal(presentedKey({ authorization }), null, authorization);
  }
  const login = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;
  assert.equal(presentedKey({ authorization: login(`me:${KEY}`) }), null);
  for (const text of [`me:${KEY}`, `:${KEY}`, `mé ✓:${KEY}`]) {
    assert.equal(loginKey({ authorization: login(text) }), KEY, text);
  }
  assert.equal(loginKey({ authorization: login("me:a:b") }), "a:b");
  for (const authorization of [
    "",
    "Basic",
    login(KEY),
    login("me:"),
    login(""),
    `Bearer ${KEY}`,
    "Basic *",
  ]) {
    assert.equal(loginKey({ authorization }), null, authorization);
  }
  assert.equal(loginKey({}), null);
  assert.equal(chooseSubprotocol(new Set([`magdi.key.${encoded}`, "magdi"])), "magdi");
  assert.equal(chooseSubprotocol(new Set([`magdi.key.${encoded}`])), false);
});
