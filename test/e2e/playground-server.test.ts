// The page at / before servers that refuse, load, want a key, or are reached through what lets no WebSocket pass.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, type TestContext, test } from "node:test";
import type { Browser } from "playwright-core";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { runApp, runTiny } from "../server/support/running-app.ts";
import { type TinyStudent, tinyStudent } from "../server/support/tiny-student.ts";
import { until } from "../server/support/until.ts";
import { launchChromium, NO_CHROMIUM } from "./chromium.ts";
import { answered, ENDLESS, openPage, textOf, VARIED, write } from "./playground-page.ts";

const KEY = "playground-secret-0123456789";
const OLD_KEY = "yesterdays-secret-0123456789";

const withKey = (key: string) => ({ config: { apiKeys: parseKeyList(`reader:${key}`) } });
/** A browser whose reader was asked to log in, and has. */
const login = (password: string) => ({ httpCredentials: { username: "me", password } });

/** A proxy before `port` that lets no WebSocket through, as many do. */
async function proxyWithoutSockets(t: TestContext, port: number): Promise<string> {
  const proxy = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const onward = httpRequest({ port, host: "127.0.0.1", method, path: url, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    outgoing.on("close", () => onward.destroy());
    onward.on("error", () => outgoing.destroy());
    incoming.pipe(onward);
  });
  proxy.on("upgrade", (_request, socket) => socket.end("HTTP/1.1 501 Not Implemented\r\n\r\n"));
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  // A listening TCP server's address is an object.
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

describe("the playground and its server", { skip: NO_CHROMIUM }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  test("errors are shown as the server says them, at the field that they are about", async (t) => {
    const { server } = await runTiny(t);
    const { page, problems } = await openPage(t, browser, server.url);
    const blamed = async (message: RegExp) => {
      await page.keyboard.press("Control+Enter");
      await page.locator("#error", { hasText: message }).waitFor();
      const invalid = page.locator("[aria-invalid=true]");
      assert.equal(await invalid.count(), 1);
      assert.equal(await invalid.evaluate((field) => field.matches(":focus")), true);
      return invalid.getAttribute("id");
    };
    await page.locator("#question").focus();
    assert.equal(await blamed(/question: expected the question's text, found an empty one/), "question");
    await write(page, VARIED, { samples: "33" });
    assert.equal(await blamed(/samples: expected a whole number from 1 to 32.*found 33/), "samples");
    await write(page, VARIED, { samples: "2", temperature: "warm" });
    assert.equal(await blamed(/temperature: expected a number from 0 to 2, found "warm"/), "temperature");
    await write(page, "x".repeat(2000), { temperature: "" });
    assert.equal(await blamed(/context/), "question");
    await page.getByText("Choices", { exact: true }).click();
    await write(page, VARIED);
    await page.getByRole("button", { name: "Add a choice" }).click();
    await page.keyboard.type("only one");
    assert.equal(await blamed(/choices: expected at least two choices/), "choice-add");
    await page.getByRole("button", { name: "Remove choice A" }).click();
    await page.keyboard.press("Control+Enter");
    await answered(page);
    assert.equal(await page.locator("#error").isVisible(), false);
    assert.equal(await page.locator("[aria-invalid=true]").count(), 0);
    assert.deepEqual(problems, []);
  });

  test("where no WebSocket opens, the answer streams as events, and cancel ends it", async (t) => {
    const { server, student } = await runTiny(t, { contextLength: 100_000 });
    const { page } = await openPage(t, browser, await proxyWithoutSockets(t, server.port));
    await write(page, VARIED, { samples: "4" });
    await page.keyboard.press("Control+Enter");
    await answered(page);
    await write(page, ENDLESS, { max_tokens: "90000" });
    await page.keyboard.press("Control+Enter");
    await page.locator(".pane .text", { hasText: "xbcd" }).first().waitFor();
    assert.equal(await page.getByRole("button", { name: "Enough" }).isEnabled(), false);
    await page.keyboard.press("Escape");
    await page.locator("#phase", { hasText: "Cancelled" }).waitFor();
    await until(() => student.engine.stats().samplesRunning === 0);
    await write(page, "", {});
    await page.keyboard.press("Control+Enter");
    await page.locator("#error", { hasText: /question: expected.*request \S+/s }).waitFor();
  });

  test("behaviour 22: whose browser is logged in needs no key in the page, over WebSocket and events", async (t) => {
    const { server } = await runTiny(t, withKey(KEY));
    for (const url of [server.url, await proxyWithoutSockets(t, server.port)]) {
      const { page } = await openPage(t, browser, url, login(KEY));
      const opened = new Promise<boolean>((resolve) => {
        page.once("websocket", (socket) => {
          socket.once("framereceived", () => resolve(true));
          socket.once("socketerror", () => resolve(false));
        });
      });
      await page.locator("#model-name", { hasText: "tiny" }).waitFor();
      await write(page, VARIED, { samples: "3" });
      await page.keyboard.press("Control+Enter");
      await answered(page);
      assert.equal(await opened, url === server.url);
      assert.equal(await page.getByLabel("API key").isVisible(), false);
      assert.match(await textOf(page, "#curl"), /Bearer \$MAGDI_API_KEY/);
      assert.equal((await page.goto(`${url}/docs`))?.status(), 200);
      await page.getByText("/v1/reason", { exact: true }).first().waitFor();
      assert.equal(await page.locator("#key").isVisible(), false);
    }
  });

  test("behaviour 22: without a login, or with a wrong one, a browser gets no page", async (t) => {
    const { server } = await runTiny(t, withKey(KEY));
    const pageOf = async (options: object) => {
      const context = await browser.newContext(options);
      t.after(() => context.close());
      return context.newPage();
    };
    const wrong = await pageOf(login(`${KEY}x`));
    const none = await pageOf({});
    for (const path of ["/", "/docs", "/playground/ask.js"]) {
      assert.equal((await wrong.goto(server.url + path))?.status(), 401);
      await wrong.getByText("the API key is not valid for this server").waitFor();
      // That is: it would ask its reader to log in.
      await assert.rejects(none.goto(server.url + path), /ERR_INVALID_AUTH_CREDENTIALS/);
    }
  });

  test("a server that has changed its keys is asked with a new one, which stays in the tab", async (t) => {
    const first = await runTiny(t, withKey(OLD_KEY));
    const { page } = await openPage(t, browser, first.server.url, login(OLD_KEY));
    await page.locator("#model-name", { hasText: "tiny" }).waitFor();
    const field = page.getByLabel("API key");
    assert.equal(await field.isVisible(), false);
    await first.server.app.close();
    await page.locator("#state", { hasText: "unreachable" }).waitFor();
    await runTiny(t, { ...withKey(KEY), port: first.server.port });
    await field.waitFor();
    await write(page, VARIED);
    await page.keyboard.press("Control+Enter");
    await page.locator("#error", { hasText: /API key is/ }).waitFor();
    await field.fill("some-other-key-0123456789");
    await field.press("Enter");
    await page.locator("#key[aria-invalid=true]").waitFor();
    await field.fill(KEY);
    await page.getByRole("button", { name: "Use", exact: true }).click();
    await field.waitFor({ state: "hidden" });
    const socket = page.waitForEvent("websocket");
    await page.locator("#question").press("Control+Enter");
    await answered(page);
    assert.doesNotMatch((await socket).url(), /secret/);
    const curl = await textOf(page, "#curl");
    assert.match(curl, /Bearer \$MAGDI_API_KEY/);
    assert.doesNotMatch(curl, /secret/);
    assert.equal(await page.evaluate("JSON.stringify({ ...localStorage }) + document.cookie"), "{}");
    assert.match(String(await page.evaluate("JSON.stringify({ ...sessionStorage })")), /playground-secret/);
  });

  test("a server that loads is said to, until it is ready; one that is gone, too", async (t) => {
    let loaded = (_student: TinyStudent) => {};
    const student = new Promise<TinyStudent>((resolve) => {
      loaded = resolve;
    });
    const server = await runApp(t, student);
    const { page } = await openPage(t, browser, server.url);
    await page.locator("#state", { hasText: "loading…" }).waitFor();
    await write(page, VARIED);
    await page.keyboard.press("Control+Enter");
    await page.locator("#error", { hasText: "the model is still loading" }).waitFor();
    loaded(tinyStudent());
    await page.locator("#state", { hasText: "ready" }).waitFor();
    await page.locator("#model-name", { hasText: "tiny" }).waitFor();
    await page.keyboard.press("Control+Enter");
    await answered(page);
    await page.context().setOffline(true);
    await page.keyboard.press("Control+Enter");
    await page.locator("#error", { hasText: "the server cannot be reached" }).waitFor();
  });
});
