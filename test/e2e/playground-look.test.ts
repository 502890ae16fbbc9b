// The page at / on screens of all kinds, and what it must never let a text do.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { runTiny } from "../server/support/running-app.ts";
import { launchChromium, NO_CHROMIUM } from "./chromium.ts";
import { answered, openPage, textOf, write } from "./playground-page.ts";

/** Functions that run in the page. */
const CHECKS = readFileSync(new URL("page-checks.js", import.meta.url), "utf8");

function run(page: Page, check: string): Promise<unknown> {
  return page.evaluate(`${CHECKS}\n${check}()`);
}

describe("the playground's look", { skip: NO_CHROMIUM }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  test("what a model writes is text, whatever it looks like", async (t) => {
    const { server } = await runTiny(t);
    const { page, problems } = await openPage(t, browser, server.url);
    const hostile = '<img src=x onerror="globalThis.hit = 1"><script>globalThis.hit = 2</script>';
    await write(page, `{{${hostile} The answer is <b>4</b>.}}`, { task: "free", samples: "1" });
    await page.keyboard.press("Control+Enter");
    await answered(page);
    assert.ok((await textOf(page, ".pane .text")).startsWith(hostile));
    assert.match(await textOf(page, "#answer"), /<b>4<\/b>/);
    assert.equal(await page.locator("#live :is(img, script, b)").count(), 0);
    assert.equal(await run(page, "wasHit"), false);
    assert.deepEqual(problems, []);
  });

  test("the policy of the page lets nothing inline run", async (t) => {
    const { server } = await runTiny(t);
    const { page, problems } = await openPage(t, browser, server.url);
    await run(page, "goInline");
    assert.equal(await run(page, "wasHit"), false);
    assert.equal(problems.length, 2, problems.join("\n"));
    for (const problem of problems) assert.match(problem, /Content Security Policy/);
  });

  for (const [width, colorScheme] of [
    [360, "light"],
    [360, "dark"],
    [1280, "light"],
    [1280, "dark"],
  ] as const) {
    test(`fits ${width} pixels, named and legible, when ${colorScheme}`, async (t) => {
      const { server } = await runTiny(t, { contextLength: 4096 });
      const viewport = { width, height: 800 };
      const { page, problems } = await openPage(t, browser, server.url, { viewport, colorScheme });
      await page.getByRole("button", { name: "Puddle" }).click();
      await write(page, `{{${"unbroken".repeat(20)} The answer is (B).}}`, { samples: "3" });
      await page.keyboard.press("Control+Enter");
      await answered(page);
      const root = "document.documentElement";
      assert.equal(await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`), 0);
      assert.deepEqual(await run(page, "nameless"), []);
      assert.deepEqual(await run(page, "faintTexts"), []);
      assert.deepEqual(problems, []);
    });
  }
});
