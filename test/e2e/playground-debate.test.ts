// The playground's debate view in a real browser, before a server that debates as it is told: what comes is shown as it comes.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, type TestContext, test } from "node:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { says } from "../debate/support/scripted-agents.ts";
import { type Json, runTiny } from "../server/support/running-app.ts";
import { runDebating } from "../server/support/running-debates.ts";
import { until } from "../server/support/until.ts";
import { launchChromium, NO_CHROMIUM } from "./chromium.ts";
import { AGENTS, debatingServer } from "./debating-server.ts";
import { ENDLESS, openPage, textOf } from "./playground-page.ts";

const CHECKS = readFileSync(new URL("page-checks.js", import.meta.url), "utf8");
/** The student's answer is 630. */
const FERRY = "How many cars? {{The answer is 630.}}";

const run = (page: Page, check: string): Promise<unknown> => page.evaluate(`${CHECKS}\n${check}()`);
const texts = async (page: Page, selector: string) =>
  (await page.locator(selector).allInnerTexts()).map((text) => text.replace(/\s+/g, " "));
const phase = (page: Page, words: string | RegExp) =>
  page.locator("#debate-phase", { hasText: words }).waitFor();

const begun = { type: "debate", task: "math", agents: AGENTS.data, rounds: 3, seed: 7 };
const calls = (round: number, attempt = 0) =>
  AGENTS.data.map(({ name }) => ({ type: "call", round, agent: name, attempt }));
function node(agent: string, round: number, answer: string | null, more: object = {}) {
  const cost = { prompt_tokens: 1000, completion_tokens: 20, usd: 0.001 };
  const said = {
    agent,
    round,
    answer,
    confidence: 0.9,
    reasoning: `${agent} says ${answer}.`,
    refused: false,
  };
  return { type: "node", node: { ...said, ...cost, model: null, finish_reason: "stop", ms: 1, ...more } };
}
function round(of: number, answers: Readonly<Record<string, string[]>>, consensus = false) {
  const groups = Object.entries(answers).map(([answer, agents]) => ({
    answer,
    count: agents.length,
    agents,
  }));
  return { type: "round", round: of, groups, consensus };
}
function result(answer: string | null, more: Json = {}) {
  const team = { rescaled: answer, majority: answer, mean_confidence: answer };
  const usage = {
    prompt_tokens: 4000,
    completion_tokens: 80,
    total_tokens: 4080,
    calls: 4,
    unreported_calls: 0,
    usd: 0.004,
  };
  return {
    ...{
      type: "debate_result",
      model: "debate",
      task: "math",
      answer,
      reasoning: null,
      votes: [],
      seed: 7,
      usage,
    },
    ...{ stop_reason: "consensus", comparison: null, timing: { queue_ms: 0, total_ms: 1500 } },
    debate: { rounds: 1, decided_in: 1, consensus: true, team, agents: AGENTS.data, nodes: [], missing: [] },
    ...more,
  };
}

describe("the playground's debate view", { skip: NO_CHROMIUM }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchChromium();
  });
  after(() => browser.close());

  async function open(
    t: TestContext,
    { agents = AGENTS as Json, ...options }: BrowserContextOptions & { agents?: Json } = {},
  ) {
    const { server, student } = await runTiny(t, { contextLength: 100_000 });
    const debating = await debatingServer(t, server.port, agents);
    const { page, problems } = await openPage(t, browser, debating.url, options);
    await page.locator("#model-name", { hasText: "tiny" }).waitFor();
    // No WebSocket passes that server: the browser says so, and the page asks the student over a stream.
    const others = () => problems.filter((problem) => !problem.includes("WebSocket"));
    return { page, problems: others, student, next: debating.next };
  }

  /** By the keyboard alone. */
  async function ask(page: Page, question: string) {
    await page.locator("#question").focus();
    await page.keyboard.insertText(question);
    await page.keyboard.press("Control+Enter");
  }

  test("nodes appear as they come, minds are seen to change, and the student answers beside them", async (t) => {
    const { page, problems, next } = await open(t);
    assert.match(
      await textOf(page, "#agents"),
      /large \(large-1\), local; at most 3 rounds.* Left for today: \$1\.95/,
    );
    await page.locator("#rounds").fill("2");
    await ask(page, FERRY);
    const debate = await next();
    assert.deepEqual(debate.body, { question: FERRY, rounds: 2, vote: "rescaled", stream: true });
    debate.send(begun);
    await phase(page, "Waiting for the agents");
    debate.send(...calls(0));
    await phase(page, "Round 0: each answers alone");
    assert.deepEqual(await texts(page, ".node[data-state=running]"), ["thinking…", "thinking…"]);
    debate.send(node("local", 0, "126", { confidence: null }));
    await page.getByRole("article", { name: "local, round 0" }).getByText("126", { exact: true }).waitFor();
    assert.deepEqual(await texts(page, ".node-head"), ["thinking…", "A 126"]);
    debate.send({ type: "call", round: 0, agent: "large", attempt: 1 });
    await page.getByText("asked again (1)").waitFor();
    debate.send(node("large", 0, "630"), round(0, { 126: ["local"], 630: ["large"] }), ...calls(1));
    await phase(page, "Round 0: 1 × 126, 1 × 630. Round 1: each hears what all have said");
    assert.deepEqual(await texts(page, ".round-note"), ["2 answers", ""]);
    debate.send(
      node("large", 1, "630"),
      node("local", 1, "630"),
      round(1, { 630: ["large", "local"] }, true),
      result("630"),
    );
    debate.end();
    await phase(page, "Answer, by consensus");
    assert.equal((await textOf(page, "#debate-answer")).replace(/\s+/g, " "), "B 630");
    assert.equal(await textOf(page, "#debate-note"), "2 rounds · the agents agree · 1.5 s · seed 7");
    assert.match(
      await textOf(page, "[aria-label='local, round 1']"),
      /confidence 0\.90\s+changed from A, as large had said/,
    );
    assert.match(await textOf(page, "[aria-label='large, round 1']"), /kept its answer/);
    assert.deepEqual(await texts(page, ".legend li"), [
      "A 126 1 → 0 agents by round",
      "B 630 1 → 2 agents by round",
    ]);
    assert.deepEqual(await texts(page, ".team-votes dd"), Array(3).fill("B 630"));
    await page.locator("#answer.decided").waitFor();
    assert.equal(await textOf(page, "#answer"), "630");
    const student = (await textOf(page, "#comparison")).match(/The student\s+([\d,]+) tokens/)?.[1];
    assert.ok(Number(student) > 0, student);
    const compared = (await textOf(page, "#comparison")).replace(/\s+/g, " ");
    assert.ok(
      compared.startsWith(`${(4080 / Number(student)).toFixed(1)}× fewer tokens by the student`),
      compared,
    );
    assert.match(compared, /The debate 4,080 tokens.*\$0\.004\b/);
    assert.equal(await page.getByRole("button", { name: "Debate" }).isEnabled(), true);
    assert.deepEqual(problems(), []);
  });

  test("answers that are one by value become one mark when the round has ended; open reasoning stays open", async (t) => {
    const { page, next } = await open(t);
    await ask(page, FERRY);
    const debate = await next();
    debate.send(begun, ...calls(0), node("large", 0, "1/2"), node("local", 0, "0.5"));
    await page.locator(".node-head", { hasText: "0.5" }).waitFor();
    assert.deepEqual(await texts(page, ".node-head"), ["A 1/2", "B 0.5"]);
    await page.getByRole("article", { name: "local, round 0" }).locator("summary").press("Enter");
    debate.send(round(0, { "1/2": ["large", "local"] }, true));
    await page.locator(".node-head", { hasText: /A\s*0\.5/ }).waitFor();
    assert.deepEqual(await texts(page, ".legend li"), ["A 1/2 2 agents"]);
    await page.getByText("local says 0.5.").waitFor();
    assert.equal(await page.locator("summary:focus").count(), 1);
    debate.send(result("0.5"));
    debate.end();
    await phase(page, "Answer");
    assert.equal((await textOf(page, "#debate-answer")).replace(/\s+/g, " "), "A 0.5");
  });

  test("who fails, refuses or cannot be read is shown as such, and a debate without an answer says so", async (t) => {
    const { page, next } = await open(t);
    await ask(page, FERRY);
    const debate = await next();
    debate.send(begun, ...calls(0), node("large", 0, null, { refused: true, reasoning: "I will not." }));
    debate.send({ type: "missing", missing: { agent: "local", round: 0, reason: "status", status: 500 } });
    debate.send({ ...round(0, {}), groups: [{ answer: null, count: 1, agents: ["large"] }] }, ...calls(1));
    debate.send(node("large", 1, null, { prompt_tokens: null, usd: null, confidence: null }));
    debate.send({ type: "missing", missing: { agent: "local", round: 1, reason: "stopped", status: null } });
    debate.send(result(null, { stop_reason: "unanswered" }));
    debate.end();
    await phase(page, "No answer");
    assert.deepEqual(await texts(page, ".node-head"), [
      ...["– refused to answer", "did not answer"],
      ...["– no readable answer", "did not answer"],
    ]);
    assert.deepEqual(await texts(page, "[data-state=missing] .node-fact"), [
      "it answered with the status 500",
      "the debate was over before it answered",
    ]);
    assert.equal(await textOf(page, "#debate-answer"), "No agent gave a readable answer.");
    assert.match(await textOf(page, ".cost-table tfoot"), /unknown/);
  });

  test("the button and Escape stop both, and the server sees that the client has gone", async (t) => {
    const { page, problems, student, next } = await open(t);
    for (const stop of [
      () => page.keyboard.press("Escape"),
      () => page.getByRole("button", { name: "Stop" }).press("Enter"),
    ]) {
      await page.locator("#question").fill("");
      await ask(page, ENDLESS);
      const debate = await next();
      debate.send(begun, ...calls(0), node("large", 0, "630"));
      await page.locator(".node-head", { hasText: "630" }).waitFor();
      await until(() => student.engine.stats().samplesRunning > 0);
      await stop();
      await debate.closed;
      await phase(page, "Stopped");
      await page.locator("#phase", { hasText: "Stopped" }).waitFor();
      await until(() => student.engine.stats().samplesRunning === 0);
      assert.deepEqual(await texts(page, ".debate-graph td"), [(await texts(page, ".node"))[0], "stopped"]);
      assert.equal(await page.locator("#error").isVisible(), false);
    }
    assert.deepEqual(problems(), []);
  });

  test("a refusal is said plainly, at the field that it is about, and the student answers all the same", async (t) => {
    const { page, next } = await open(t);
    await ask(page, FERRY);
    for (const [status, error, expected] of [
      [
        429,
        { message: "the day's budget is spent", code: "budget_exceeded" },
        /budget is spent.*Try again in 6 h/,
      ],
      [403, { message: "the key lacks the right debate", code: "missing_right" }, /lacks the right debate/],
      [502, { message: "no agent answered", code: "agents_failed" }, /no agent answered/],
      [400, { message: "rounds: expected 0 to 3, found 9", param: "rounds" }, /rounds: expected/],
    ] as const) {
      (await next()).refuse(status, error, status === 429 ? { "retry-after": "20000" } : {});
      await page.locator("#error", { hasText: expected }).waitFor();
      await phase(page, "No debate");
      await page.locator("#answer.decided").waitFor();
      const invalid = await page.locator("[aria-invalid=true]").evaluateAll((all) => all.map(({ id }) => id));
      assert.deepEqual(invalid, status === 400 ? ["rounds"] : []);
      await page.locator("#ask:enabled").waitFor();
      await page.keyboard.press("Control+Enter");
    }
    (await next()).refuse(501, { message: "no agents", code: "no_agents" });
    await page.locator("#error", { hasText: "no agents" }).waitFor();
    assert.equal(await page.locator("[aria-invalid=true]").count(), 0);
  });

  test("an error in the middle, and a connection that breaks, leave what was said", async (t) => {
    const { page, next } = await open(t);
    for (const [how, expected] of [
      ["frame", "the agents' money is gone"],
      ["break", "the stream ended before the answer"],
    ] as const) {
      await page.locator("#question").fill("");
      await ask(page, FERRY);
      const debate = await next();
      debate.send(begun, ...calls(0), node("large", 0, "630"));
      if (how === "frame")
        debate.send({ type: "error", error: { message: expected, code: "budget_exceeded", param: null } });
      debate.end();
      await page.locator("#error", { hasText: expected }).waitFor();
      assert.deepEqual(await texts(page, ".node-head"), ["A 630"]);
      await page.locator("#ask:enabled").waitFor();
    }
  });

  test("a server without agents, and one that knows no debates, say how to have some", async (t) => {
    for (const agents of [{ ...AGENTS, data: [] }, null]) {
      const { page } = await open(t, { agents });
      await page.getByText("This server has no agents").waitFor();
      await page.getByText("magdi serve --agents agents.json").waitFor();
      assert.equal(await page.locator("#ask").isEnabled(), false);
      await page.getByRole("navigation").getByRole("link", { name: "Vote" }).click();
      await page.locator("#samples-section").waitFor({ state: "attached" });
      await page.getByRole("link", { name: "Debate" }).click();
      await page.getByText("This server has no agents").waitFor();
    }
    const { page } = await open(t, { agents: { ...AGENTS, allowed: false } });
    await page.getByText('it lacks the right "debate"').waitFor();
  });

  test("what agents say is text, whatever it looks like", async (t) => {
    const hostile = '<img src=x onerror="globalThis.hit = 1"><script>globalThis.hit = 2</script>';
    const agent = { ...AGENTS.data[0], name: hostile, model: hostile };
    const { page, problems, next } = await open(t, { agents: { ...AGENTS, data: [agent] } });
    await ask(page, FERRY);
    const debate = await next();
    debate.send({ ...begun, agents: [agent] }, node(hostile, 0, hostile, { reasoning: hostile }));
    debate.send(round(0, { [hostile]: [hostile] }), result(hostile));
    debate.end();
    await phase(page, "Answer");
    await page.locator(".node summary").click();
    assert.ok((await textOf(page, ".node-text")).includes(hostile));
    assert.ok((await textOf(page, "#debate-answer")).includes(hostile));
    assert.equal(await page.locator("#run :is(img, script)").count(), 0);
    assert.equal(await run(page, "wasHit"), false);
    assert.deepEqual(problems(), []);
  });

  test("the app's own debates and their cost, and an app without agents", async (t) => {
    const { server } = await runDebating(t, {
      react: ({ model, prompt }) => ({
        says: says(model === "c" && !prompt.includes("Several agents") ? 5 : 4, 0.9),
      }),
    });
    const { page, problems } = await openPage(t, browser, `${server.url}/playground/debate.html`);
    await page.locator("#agents", { hasText: "The agents are a, b, c" }).waitFor();
    await ask(page, "What is 2 + 2? {{The answer is 4.}}");
    await phase(page, "Answer, by consensus");
    assert.deepEqual(await texts(page, ".node-head"), ["A 4", "A 4", "B 5", "A 4", "A 4", "A 4"]);
    assert.match(await textOf(page, "[aria-label='c, round 1']"), /changed from B, as a, b had said/);
    await page.locator("#answer.decided").waitFor();
    const { body } = await server.post("/v1/debate", { question: "What is 2 + 2? {{The answer is 4.}}" });
    const { total_tokens: tokens } = body.usage;
    assert.ok((await textOf(page, "#comparison")).includes(`${tokens.toLocaleString("en")} tokens`));
    assert.equal(
      (await texts(page, ".cost-table tfoot td")).at(1),
      body.usage.prompt_tokens.toLocaleString("en"),
    );
    assert.deepEqual(problems, []);

    const { server: alone } = await runTiny(t);
    const other = await openPage(t, browser, `${alone.url}/playground/debate.html`);
    await other.page.getByText("This server has no agents").waitFor();
    assert.deepEqual(other.problems, []);
  });

  for (const [width, colorScheme] of [
    [360, "light"],
    [360, "dark"],
    [1280, "dark"],
  ] as const) {
    test(`fits ${width} pixels, named, legible and at rest, when ${colorScheme}`, async (t) => {
      const { page, next } = await open(t, {
        viewport: { width, height: 800 },
        colorScheme,
        reducedMotion: "reduce",
      });
      await page.getByRole("button", { name: "Puddle" }).click();
      await ask(page, " {{The answer is (A).}}");
      const debate = await next();
      debate.send(
        { ...begun, task: "multiple-choice" },
        ...calls(0),
        node("large", 0, "A", { reasoning: "unbroken".repeat(40) }),
      );
      debate.send(node("local", 0, "unbroken".repeat(20)), ...calls(1));
      await phase(page, "Round 1");
      await page.locator(".node summary").first().press("Enter");
      await page.locator("#answer.decided").waitFor();
      assert.match(await textOf(page, "[aria-label='large, round 0']"), /1\s+A\s+Into the air, as vapour/);
      const root = "document.documentElement";
      assert.equal(await page.evaluate(`${root}.scrollWidth - ${root}.clientWidth`), 0);
      assert.deepEqual(await run(page, "nameless"), []);
      assert.deepEqual(await run(page, "faintTexts"), []);
      assert.equal(await page.evaluate("document.getAnimations().length"), 0);
    });
  }
});
