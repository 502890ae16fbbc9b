// The report of runs: its numbers, what it draws of runs that are whole, cut off or damaged, and its page in a browser.

import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { MagdiError } from "../../../src/base/errors.ts";
import { curvesOf, SERIES } from "../../../src/train/report/curves.ts";
import { writeReport } from "../../../src/train/report/report.ts";
import { readRunRecords } from "../../../src/train/report/run-record.ts";
import { summaryRows } from "../../../src/train/report/summary.ts";
import type { RunLogLine } from "../../../src/train/run/run-log.ts";
import { launchChromium, NO_CHROMIUM } from "../../e2e/chromium.ts";
import { scratchFolder } from "../../support/scratch-folder.ts";

const folder = scratchFolder();

interface MadeRun {
  readonly steps?: number;
  readonly losses?: readonly ("nll" | "margin" | "node")[];
  readonly validates?: boolean;
  readonly ends?: boolean;
  readonly settings?: Readonly<Record<string, unknown>> | null;
}

const jsonLines = (lines: readonly RunLogLine[]): string =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join("");

/** A run whose losses fall as 4 / (1 + step / 10), validated every 10 steps. */
function makeRun(name: string, made: MadeRun = {}): string {
  const { steps = 40, losses = ["nll", "margin", "node"], validates = true, ends = true } = made;
  const at = path.join(folder, name);
  mkdirSync(at, { recursive: true });
  const hasNode = losses.includes("node");
  const lossesAt = (step: number) => {
    const nll = 4 / (1 + step / 10);
    const [margin, node] = [losses.includes("margin") ? nll / 4 : 0, hasNode ? nll / 5 : 0];
    return { loss: nll + 0.1 * margin + node, nll, margin, node };
  };
  const lines: RunLogLine[] = [];
  for (let step = 0; step <= steps; step++) {
    const epoch = step / 10;
    if (step > 0) {
      lines.push({
        kind: "step",
        step,
        epoch,
        ...lossesAt(step),
        nodeAccuracy: hasNode ? (step % 2 === 0 ? 0.75 : 0.65) : null,
        learningRate: 1e-4,
        gradientNorm: 1,
        tokens: 1000,
        tokensPerSecond: 200 + (step % 3),
        seconds: 5 * step,
      });
    }
    if (validates && step % 10 === 0) {
      const nodeAccuracy = hasNode ? 0.5 + step / 200 : null;
      lines.push({
        kind: "validation",
        step,
        epoch,
        ...lossesAt(step),
        nodeAccuracy,
        majorityAccuracy: hasNode ? 0.625 : null,
      });
      if (step > 0) lines.push({ kind: "best", step, loss: lossesAt(step).loss });
    }
  }
  if (ends) lines.push({ kind: "end", step: steps, reason: "done", seconds: 5 * steps });
  writeFileSync(path.join(at, "metrics.jsonl"), jsonLines(lines));
  const settings = made.settings === undefined ? { recipe: "magdi", losses, loraRank: 16 } : made.settings;
  if (settings !== null) {
    writeFileSync(path.join(at, "settings.json"), JSON.stringify({ format: 1, settings }));
  }
  return at;
}

const rowsOf = (...folders: readonly string[]): Map<string, readonly string[]> =>
  new Map(summaryRows(readRunRecords(folders)).map(({ name, cells }) => [name, cells]));

test("a table has runs side by side, with the settings in which they differ", () => {
  const whole = makeRun("whole");
  const plain = makeRun("plain", {
    losses: ["nll"],
    steps: 20,
    settings: { recipe: "magdi-cn", losses: ["nll"], loraRank: 16, seed: 3, threads: 2 },
  });
  const rows = rowsOf(whole, plain);
  assert.deepEqual(rows.get("state"), ["done after 40 steps", "done after 20 steps"]);
  assert.deepEqual(rows.get("best validation loss"), ["0.98 after step 40", "1.333 after step 20"]);
  assert.deepEqual(rows.get("validation NLL"), ["4 → 0.8", "4 → 1.333"]);
  assert.deepEqual(rows.get("training margin loss"), ["0.9091 → 0.2", ""]);
  assert.deepEqual(rows.get("node classifier, validation"), ["50.0 % → 70.0 %", ""]);
  assert.deepEqual(rows.get("always the majority class"), ["62.5 %", ""]);
  assert.deepEqual(rows.get("tokens"), ["40,000", "20,000"]);
  assert.deepEqual(rows.get("tokens per second, median"), ["201", "201"]);
  assert.deepEqual(rows.get("time"), ["3 min", "1 min"]);
  assert.deepEqual(rows.get("recipe"), ["magdi", "magdi-cn"]);
  assert.deepEqual(rows.get("loraRank"), ["16", "16"]);
  assert.deepEqual(rows.get("seed"), ["", "3"]);
  assert.ok(!rows.has("threads") && !rows.has("could not be read"));
});

test("curves are every quantity that a run has, with a running mean and few enough points", () => {
  const [whole] = readRunRecords([makeRun("curves", { steps: 1000 })]);
  const seriesOf = (points: ReturnType<typeof curvesOf>) => [...new Set(points.map(({ series }) => series))];
  assert.deepEqual(seriesOf(curvesOf(whole!, "nll")), [SERIES.each, SERIES.mean, SERIES.validation]);
  const accuracy = curvesOf(whole!, "nodeAccuracy");
  assert.deepEqual(seriesOf(accuracy), [SERIES.each, SERIES.mean, SERIES.validation, SERIES.majority]);
  const means = accuracy.filter(({ series, step }) => series === SERIES.mean && step > 100);
  assert.ok(means.every(({ value }) => Math.abs(value - 0.7) < 0.01));
  assert.ok(accuracy.filter(({ series }) => series === SERIES.each).length <= 250);
  assert.equal(accuracy.findLast(({ series }) => series === SERIES.each)?.step, 1000);
  assert.ok(
    accuracy.filter(({ series }) => series === SERIES.majority).every(({ value }) => value === 0.625),
  );
  assert.deepEqual(seriesOf(curvesOf(whole!, "learningRate")), [SERIES.mean]);
  const [plain] = readRunRecords([
    makeRun("no-heads", { losses: ["nll"], validates: false, settings: null }),
  ]);
  for (const quantity of ["margin", "node", "nodeAccuracy"] as const) {
    assert.deepEqual(curvesOf(plain!, quantity), []);
  }
  assert.ok(curvesOf(plain!, "nll").every(({ series }) => series !== SERIES.validation));
});

test("the steps of long runs are written out on the axis", async () => {
  const { svg } = await writeReport([makeRun("long", { steps: 240 })], path.join(folder, "long-report"));
  const drawn = readFileSync(svg, "utf8");
  assert.match(drawn, />200<\/text>/);
  assert.doesNotMatch(drawn, />[\d.]+e\+[1-9]/);
});

test("a run that was cut off or damaged says what it can, and what could not be read", async () => {
  const cut = makeRun("cut", { ends: false });
  appendFileSync(path.join(cut, "metrics.jsonl"), '{"kind":"step","step":41,"epo');
  assert.deepEqual(rowsOf(cut).get("state"), ["not ended; 40 steps so far"]);
  assert.ok(!rowsOf(cut).has("could not be read"));

  const damaged = makeRun("damaged", { settings: null });
  const file = path.join(damaged, "metrics.jsonl");
  const lines = readFileSync(file, "utf8").split("\n");
  lines[4] = "\0\0\0";
  lines[7] = '{"kind":"step","step":6,"loss":null}';
  writeFileSync(file, lines.join("\n"));
  const [record] = readRunRecords([damaged]);
  assert.deepEqual(record?.problems, [
    "metrics.jsonl: 2 of 50 lines could not be read (5, 8)",
    "settings.json is not there",
  ]);
  assert.equal(record?.steps.length, 38);
  const beginning = makeRun("beginning", { steps: 0, ends: false });
  const one = makeRun("one", { steps: 1, validates: false, ends: false, settings: {} });
  const out = path.join(folder, "damaged-report");
  const { svg, page } = await writeReport([cut, damaged, beginning, one], out);
  assert.deepEqual(readdirSync(out).sort(), ["report.html", "report.svg"]);
  assert.match(readFileSync(svg, "utf8"), /^<svg .*<\/svg>\n$/s);
  assert.match(readFileSync(page, "utf8"), /2 of 50 lines could not be read/);
});

test("what is no run, or has nothing to draw, is one error, and nothing is written", async () => {
  const out = path.join(folder, "none");
  const nowhere = path.join(folder, "nowhere");
  await assert.rejects(writeReport([makeRun("there"), nowhere], out), {
    code: "MAGDI_FILE_MISSING",
    message: `${nowhere}: expected a training run's folder, found none`,
  });
  await assert.rejects(writeReport([folder], out), { code: "MAGDI_FILE_MISSING", message: /metrics\.jsonl/ });
  const empty = makeRun("empty");
  writeFileSync(path.join(empty, "metrics.jsonl"), "");
  await assert.rejects(writeReport([empty], out), { code: "MAGDI_BAD_FILE", message: /found none yet/ });
  await assert.rejects(writeReport([makeRun("there")], path.join(empty, "metrics.jsonl")), (error) => {
    assert.ok(error instanceof MagdiError && error.code === "MAGDI_NOT_WRITTEN");
    return true;
  });
  assert.ok(!readdirSync(folder).includes("none"));
});

test("runs of one name are told apart, and one that is named twice is one", () => {
  const [a, b] = [makeRun("first/run"), makeRun("second/run")];
  assert.deepEqual(
    readRunRecords([a, b, `${a}/`]).map(({ name }) => name),
    ["first/run", "second/run"],
  );
});

test("the page shows the runs and their curves, asks for nothing, and a name is text", {
  skip: NO_CHROMIUM,
}, async () => {
  const hostile = makeRun("<img src=x onerror='globalThis.hit=1'>");
  const { page: file } = await writeReport([makeRun("shown"), hostile], path.join(folder, "page"));
  const browser = await launchChromium();
  try {
    for (const width of [390, 1280]) {
      const page = await browser.newPage({ viewport: { width, height: 800 } });
      const asked: string[] = [];
      const problems: string[] = [];
      page.on("request", (request) => asked.push(request.url()));
      page.on("console", (message) => problems.push(message.text()));
      page.on("pageerror", (error) => problems.push(error.message));
      await page.goto(pathToFileURL(file).href);
      assert.deepEqual(asked, [pathToFileURL(file).href]);
      assert.deepEqual(problems, []);
      assert.equal(await page.locator("img").count(), 0);
      assert.equal(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), true);
      assert.deepEqual(await page.locator("thead th").allTextContents(), [
        "shown",
        "<img src=x onerror='globalThis.hit=1'>",
      ]);
      const drawing = await page.locator("svg").boundingBox();
      assert.ok(drawing !== null && drawing.width > 300 && drawing.height > 300);
      for (const text of ["Loss", "Likelihood (NLL)", "Node classifier, accuracy", "majority class"]) {
        assert.equal(await page.locator("svg text", { hasText: text }).first().isVisible(), true, text);
      }
      await page.close();
    }
  } finally {
    await browser.close();
  }
});
