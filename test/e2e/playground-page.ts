// The playground open in a browser, remembering everything that went wrong in it, and what a reader does there.
import type { TestContext } from "node:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

export const VARIED = "How many are 2 + 2? {{Two and two. The answer is [4457].}}";
export const ENDLESS = "{{x*}}";

export interface WatchedPage {
  readonly page: Page;
  /** Errors on the console, uncaught ones, and requests to other origins, in order. */
  readonly problems: string[];
}

/** The page at `url`, open until the test ends. */
export async function openPage(
  t: TestContext,
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  const problems: string[] = [];
  const { host } = new URL(url);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(`uncaught: ${error.message}`));
  page.on("request", (request) => {
    if (new URL(request.url()).host !== host) problems.push(`another origin: ${request.url()}`);
  });
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== host) problems.push(`another origin: ${socket.url()}`);
  });
  await page.goto(url);
  return { page, problems };
}

/** Writes a question, and what else is given by the ids of the fields. */
export async function write(page: Page, question: string, fields: Readonly<Record<string, string>> = {}) {
  await page.locator("#sampling-section").evaluate((section) => section.setAttribute("open", ""));
  await page.locator("#question").fill(question);
  for (const [id, value] of Object.entries(fields)) {
    const field = page.locator(`#${id}`);
    if ((await field.evaluate((element) => element.tagName)) === "SELECT") await field.selectOption(value);
    else await field.fill(value);
  }
}

export const answered = (page: Page) => page.locator("#answer.decided").waitFor();
/** As the reader sees it: what is hidden is not there. */
// biome-ignore lint/performance/useDomNodeTextContent: the rendered text is what is tested
export const textOf = (page: Page, selector: string) => page.innerText(selector);
