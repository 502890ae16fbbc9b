// The page of a debate in a real browser: what it shows, to whom, and what it lets no text do.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { debateHtml } from "../../src/debate/page/debate-html.ts";
import { viewOfRecord } from "../../src/debate/page/view-of-record.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { launchChromium, NO_CHROMIUM } from "./chromium.ts";
import { openPage, textOf } from "./playground-page.ts";

const CHECKS = readFileSync(new URL("page-checks.js", import.meta.url), "utf8");
const HOSTILE =
  '</script><img src=x onerror="globalThis.hit = 1"><script>globalThis.hit = 2</script><!-- {{style}}';

const run = (page: Page, check: string): Promise<unknown> => page.evaluate(`${CHECKS}\n${check}()`);
const texts = (page: Page, selector: string) => page.locator(selector).allInnerTexts();

function said(agent: string, round: number, answer: string | null, more: object = {}) {
  const cost = { prompt_tokens: 1000, completion_tokens: 20, usd: 0.0005 };
  return {
    agent,
    round,
    answer,
    reasoning: `${agent} says ${answer}.`,
    confidence: 0.9,
    model: `${agent}-1`,
    ...cost,
    ...more,
  };
}

/** b changes to what a says; c refuses, is missing, and then answers too. */
const FERRY = {
  ...{
    question_id: "ferry",
    use: "train",
    benchmark: "gsm8k",
    task: "math",
    question: "How many cars?",
    gold: "630",
  },
  agents: [
    said("a", 0, "630"),
    said("b", 0, "126", { confidence: null }),
    said("c", 0, null, { refused: true, reasoning: "", text: "I will not." }),
    said("a", 1, "630"),
    said("b", 1, "630"),
    said("a", 2, "630"),
    said("b", 2, "630"),
    said("c", 2, "630", { usd: null }),
  ],
  missing: [{ agent: "c", round: 1, error: "status 500" }],
  consensus: true,
  team: { rescaled: "630", majority: "630", mean_confidence: "126" },
};

describe("the page of a debate", { skip: NO_CHROMIUM }, () => {
  const folder = scratchFolder();
  let browser: Browser;
  let pages = 0;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  async function open(t: TestContext, record: object, options?: BrowserContextOptions) {
    const file = path.join(folder, `${pages++}.html`);
    writeFileSync(file, debateHtml(viewOfRecord(record, "x", "1")));
    return openPage(t, browser, pathToFileURL(file).href, options);
  }

  test("shows question, answers with marks, who is right, who is missing, votes and cost", async (t) => {
    const { page, problems } = await open(t, FERRY);
    assert.match(await textOf(page, "#question"), /How many cars\?\s+Right answer: 630/);
    assert.match(await textOf(page, "#outcome"), /3 agents spoke in 3 rounds and agree/);
    assert.deepEqual(
      (await texts(page, ".legend li")).map((line) => line.replace(/\s+/g, " ")),
      [
        "A 630 ✓ right 1 → 2 → 3 agents by round",
        "B 126 ✗ wrong 1 → 0 → 0 agents by round",
        "– no readable answer, or refused 1 → 0 → 0 agents by round",
      ],
    );
    assert.deepEqual(await texts(page, ".debate-graph thead th"), ["Round", "a\na-1", "b\nb-1", "c\nc-1"]);
    const rows = page.locator(".debate-graph tbody tr");
    assert.equal(await rows.count(), 3);
    const heads = (await texts(page, ".node-head")).map((line) => line.replace(/\s+/g, " "));
    assert.deepEqual(heads, [
      ...["A 630 ✓ right", "B 126 ✗ wrong", "– refused to answer"],
      ...["A 630 ✓ right", "A 630 ✓ right", "did not answer"],
      ...["A 630 ✓ right", "A 630 ✓ right", "A 630 ✓ right"],
    ]);
    const changed = await textOf(page, "[aria-label='b, round 1']");
    assert.match(changed, /confidence 0\.90\s+changed from B, as a had said/);
    assert.match(changed, /1,020 tokens, 20 generated · \$0\.0005/);
    assert.match(await textOf(page, "[aria-label='b, round 0']"), /no confidence stated/);
    assert.match(await textOf(page, "[aria-label='c, round 1']"), /status 500/);
    const votes = (await texts(page, ".team-votes > div")).map((line) => line.replace(/\s+/g, " "));
    assert.deepEqual(votes, [
      "rescaled confidences A 630 ✓ right",
      "majority A 630 ✓ right",
      "mean confidence B 126 ✗ wrong",
    ]);
    assert.deepEqual(await texts(page, ".cost-table tfoot :is(th, td)"), [
      "All",
      "8",
      "8,000",
      "160",
      "unknown",
    ]);
    assert.deepEqual((await texts(page, ".cost-table tbody tr")).at(0)?.split("\t"), [
      "a",
      "3",
      "3,000",
      "60",
      "$0.0015",
    ]);
    assert.equal(await page.title(), "gsm8k ferry – a debate");
    assert.deepEqual(problems, []);
  });

  test("lines lead from round to round; those that an answer came along are marked by focus and pointer", async (t) => {
    const { page } = await open(t, FERRY);
    const faint = page.locator(".edges .faint");
    const linesIn = async () => ((await faint.getAttribute("d")) ?? "").match(/M/g)?.length;
    await page.waitForFunction("document.querySelector('.edges .faint').getAttribute('d') !== ''");
    assert.equal(await linesIn(), 12, "three to two, then two to three");
    assert.equal(await page.locator(".edges :is(.source, .heard)").count(), 0);
    const reasoning = page.getByRole("article", { name: "b, round 1" }).locator("summary");
    await reasoning.focus();
    assert.equal(await page.locator(".edges .source").count(), 1);
    assert.equal(await page.locator(".edges .heard").count(), 2);
    const marked = page.locator(".node.source");
    assert.deepEqual(
      await marked.evaluateAll((cards) => cards.map((card) => card.getAttribute("aria-label"))),
      ["a, round 0"],
    );
    await page.keyboard.press("Enter");
    await page.getByText("b says 630.").first().waitFor();
    await page.getByRole("article", { name: "c, round 2" }).hover();
    assert.equal(await page.locator(".edges .source").count(), 2);
    // Lines end where the nodes are, also after the reasoning has moved them.
    const box = (selector: string) =>
      `document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect()`;
    const gap = await page.evaluate(
      `Math.abs(${box(".edges .source")}.bottom - ${box("[aria-label='c, round 2']")}.top)`,
    );
    assert.ok(typeof gap === "number" && gap < 4, `${gap} pixels`);
  });

  test("choices have numbers for marks, and graphs without costs say so", async (t) => {
    const choices = [
      { label: "A", text: "Into the air" },
      { label: "B", text: "Into the sun" },
    ];
    const node = (agent: string, round: number, answer: string) => ({
      agent,
      round,
      answer,
      reasoning: "So.",
      label: answer === "A" ? 1 : 0,
    });
    const mag = {
      ...{
        id: "puddle",
        benchmark: "arc",
        task: "multiple-choice",
        question: "Where?",
        choices,
        passage: "Once.",
        gold: "A",
      },
      ...{ nodes: [node("a", 0, "B"), node("b", 0, "A"), node("b", 1, "B")], edges: [[1, 2]] },
      source: { origins: ["x"], use: "train", terms: null },
    };
    const { page, problems } = await open(t, mag);
    const heads = (await texts(page, ".node-head")).map((line) => line.replace(/\s+/g, " "));
    assert.deepEqual(heads, ["1 B ✗ wrong", "2 A ✓ right", "1 B ✗ wrong"]);
    assert.match(
      await textOf(page, "[aria-label='b, round 1']"),
      /Into the sun.*changed from 2, to what nobody had said/s,
    );
    await page.getByText("Passage").click();
    await page.getByText("Once.").waitFor();
    assert.equal(await textOf(page, "#cost"), "Not recorded.");
    assert.deepEqual(problems, []);
  });

  test("whatever is said in a debate is text, and the page's policy lets nothing else run", async (t) => {
    const hostile = {
      ...{
        question_id: HOSTILE,
        use: "train",
        benchmark: HOSTILE,
        task: "free",
        question: HOSTILE,
        passage: HOSTILE,
      },
      ...{
        gold: HOSTILE,
        agents: [said(HOSTILE, 0, HOSTILE, { reasoning: HOSTILE, text: `${HOSTILE}!`, model: HOSTILE })],
      },
      ...{ missing: [{ agent: "b", round: 0, error: HOSTILE }], team: { rescaled: HOSTILE } },
    };
    const { page, problems } = await open(t, hostile);
    await page.locator("summary").first().click();
    assert.ok((await textOf(page, "#question")).includes(HOSTILE));
    assert.ok((await textOf(page, ".debate-graph")).includes(HOSTILE));
    assert.equal(await page.locator("body img").count(), 0);
    assert.equal(await page.locator("script").count(), 2);
    assert.equal(await run(page, "wasHit"), false);
    assert.deepEqual(problems, []);
    await run(page, "goInline");
    assert.equal(await run(page, "wasHit"), false);
    assert.equal(problems.length, 2, problems.join("\n"));
  });

  for (const [width, colorScheme] of [
    [360, "light"],
    [1280, "dark"],
  ] as const) {
    test(`fits ${width} pixels, named and legible, when ${colorScheme}`, async (t) => {
      const agents = Array.from({ length: 9 }, (_, index) =>
        said(`agent-${index}-${"x".repeat(30)}`, 0, `${index}`),
      );
      const record = { ...FERRY, question: "unbroken".repeat(30), agents: [...FERRY.agents, ...agents] };
      const { page } = await open(t, record, { viewport: { width, height: 800 }, colorScheme });
      const root = "document.documentElement";
      assert.equal(await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`), 0);
      assert.deepEqual(await run(page, "nameless"), []);
      assert.deepEqual(await run(page, "faintTexts"), []);
      const graph = page.locator(".debate-graph");
      await graph.focus();
      await page.keyboard.press("ArrowRight");
      await page.waitForFunction("document.querySelector('.debate-graph').scrollLeft > 0");
    });
  }
});
