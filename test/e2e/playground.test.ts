// The page at / in a real browser, before the real app: what a reader asks and sees.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import type { Browser } from "playwright-core";
import { type Json, runTiny } from "../server/support/running-app.ts";
import type { TinyStudent } from "../server/support/tiny-student.ts";
import { until } from "../server/support/until.ts";
import { launchChromium, NO_CHROMIUM } from "./chromium.ts";
import { answered, ENDLESS, openPage, textOf, VARIED, write } from "./playground-page.ts";

/** One step of the model at a time: `next` lets one through and resolves when the following one waits. */
function stepper({ runner }: TinyStudent) {
  let held = runner.stepHeld();
  let release = runner.hold();
  return {
    async next() {
      await held;
      const open = release;
      release = runner.hold();
      held = runner.stepHeld();
      open();
      await held;
    },
    go: () => release(),
  };
}

describe("the playground", { skip: NO_CHROMIUM }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  test("asks, fills a pane for each sample, shows the vote, the answer and what it cost", async (t) => {
    const { server } = await runTiny(t);
    const { page, problems } = await openPage(t, browser, server.url);
    await page.getByText("ready").waitFor();
    await page.locator("#model-name", { hasText: "tiny" }).waitFor();
    await write(page, VARIED, { samples: "6", seed: "3", early_stop: "off" });
    await page.getByRole("button", { name: "Ask" }).click();
    await answered(page);
    const { body } = await server.post("/v1/reason", {
      question: VARIED,
      samples: 6,
      seed: 3,
      early_stop: "off",
      return_samples: true,
    });
    assert.equal(await textOf(page, "#answer"), body.answer);
    assert.deepEqual(
      await page.locator("#votes .name").allInnerTexts(),
      body.votes.map((vote: Json) => vote.answer),
    );
    assert.deepEqual(
      await page.locator(".pane .text").allInnerTexts(),
      body.samples.map((sample: Json) => sample.text),
    );
    assert.deepEqual(
      await page.locator(".pane .answer-chip").allInnerTexts(),
      body.samples.map((sample: Json) => sample.answer),
    );
    assert.deepEqual(await page.locator(".pane .state").allInnerTexts(), Array(6).fill("finished"));
    assert.match(await textOf(page, "#verdict-note"), /^Decided at 6 of 6 samples .*task math · seed 3$/);
    const cost = await textOf(page, "#ledger-section");
    for (const count of [body.usage.prompt_tokens, body.usage.completion_tokens, body.usage.total_tokens]) {
      assert.match(cost, new RegExp(`\\b${count.toLocaleString("en")} tokens`));
    }
    assert.match(cost, /642\.3 tokens/);
    assert.ok(cost.includes(body.comparison.source), cost);
    const widths = await page
      .locator("#votes .bar > span")
      .evaluateAll((bars) => bars.map((bar) => bar.style.inlineSize));
    assert.deepEqual(
      widths.map((width) => Math.round(Number.parseFloat(width))),
      body.votes.map((vote: Json) => Math.round(vote.share * 100)),
    );
    assert.deepEqual(problems, []);
  });

  test("tokens appear one by one; enough settles on the samples that have finished", async (t) => {
    const { server, student } = await runTiny(t);
    const { page, problems } = await openPage(t, browser, server.url);
    const steps = stepper(student);
    // Samples of a prompt without a script end at lengths of their own.
    await write(page, "Say it.", { task: "free", samples: "4", seed: "2", early_stop: "off" });
    await page.keyboard.press("Control+Enter");
    await page.locator("#phase", { hasText: "4 samples are thinking" }).waitFor();
    const lengths = new Set<number>();
    const finished = page.locator('.pane[data-state="stop"]');
    while ((await finished.count()) === 0) {
      await steps.next();
      lengths.add((await textOf(page, ".pane .text >> nth=0")).length);
    }
    assert.ok(lengths.size > 2, "the text grew step by step");
    assert.ok(await page.locator('.pane[data-state="thinking"]').count(), "some still run");
    await page.getByRole("button", { name: "Enough" }).click();
    await answered(page);
    steps.go();
    assert.match(await textOf(page, "#verdict-note"), /of 4 samples · settled by you/);
    assert.ok((await page.locator('.pane[data-state="cancelled"]').count()) > 0);
    assert.match(await textOf(page, "#ledger"), /\d+ of them discarded/);
    assert.equal(await page.getByRole("button", { name: "Ask" }).isEnabled(), true);
    assert.deepEqual(problems, []);
  });

  test("Escape and the button cancel, and the samples leave the batch", async (t) => {
    const { server, student } = await runTiny(t, { contextLength: 100_000 });
    const { page, problems } = await openPage(t, browser, server.url);
    for (const cancel of [
      () => page.keyboard.press("Escape"),
      () => page.getByRole("button", { name: "Cancel" }).click(),
    ]) {
      await write(page, ENDLESS, { samples: "3", max_tokens: "90000" });
      await page.getByRole("button", { name: "Ask" }).click();
      await page.locator(".pane .text", { hasText: "xbcd" }).first().waitFor();
      await cancel();
      await page.locator("#phase", { hasText: "Cancelled" }).waitFor();
      await until(() => student.engine.stats().samplesRunning === 0);
      assert.deepEqual(await page.locator(".pane .state").allInnerTexts(), Array(3).fill("stopped"));
      assert.equal(await page.locator("#error").isVisible(), false);
    }
    assert.deepEqual(problems, []);
  });

  test("an answer that is a choice is shown with its text", async (t) => {
    const { server } = await runTiny(t);
    const { page } = await openPage(t, browser, server.url);
    await page.getByRole("button", { name: "Puddle" }).click();
    await page.locator("#question").fill("Where did it go? {{The answer is (A).}}");
    await page.keyboard.press("Control+Enter");
    await answered(page);
    assert.equal((await textOf(page, "#answer")).replace(/\s+/g, " "), "A Into the air, as vapour");
    assert.match(
      await textOf(page, "#verdict-note"),
      /Decided at 3 of 5 samples · the remaining samples could not change it/,
    );
  });

  test("a vote in which nothing can be read says so", async (t) => {
    const { server } = await runTiny(t);
    const { page } = await openPage(t, browser, server.url);
    await write(page, "{{I cannot say.}}", { task: "math", samples: "2" });
    await page.keyboard.press("Control+Enter");
    await page.locator("#phase", { hasText: "No answer" }).waitFor();
    assert.deepEqual(await page.locator(".pane .answer-chip").allInnerTexts(), ["no answer", "no answer"]);
    assert.equal(await page.locator("#votes-section").isVisible(), false);
  });

  test("the curl line gives the same answer in a shell", async (t) => {
    const { server } = await runTiny(t);
    const { page } = await openPage(t, browser, server.url);
    await write(page, `It's "so": $HOME \\ \`x\`\n${VARIED}`, { samples: "5" });
    await page.keyboard.press("Control+Enter");
    await answered(page);
    const line = await page.locator("#curl").textContent();
    const { stdout } = await promisify(execFile)("sh", ["-c", line ?? ""]);
    assert.equal(JSON.parse(stdout).answer, await textOf(page, "#answer"));
    assert.deepEqual(
      JSON.parse(stdout).votes.map((vote: Json) => vote.answer),
      await page.locator("#votes .name").allInnerTexts(),
    );
  });
});
