// A headless Chromium of the system's, where there is one.
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const { CHROMIUM_PATH } = process.env;
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = (CHROMIUM_PATH ? [CHROMIUM_PATH] : PLACES).find((path) => existsSync(path));

/** For a test's options: why it cannot run here, or false. */
export const NO_CHROMIUM =
  executablePath === undefined && "no Chromium here: install Debian's chromium, or set CHROMIUM_PATH";

export function launchChromium(): Promise<Browser> {
  if (executablePath === undefined) throw new Error(String(NO_CHROMIUM));
  // Chromium's sandbox does not start for root, which containers run as.
  const args = ["--disable-dev-shm-usage", ...(process.getuid?.() === 0 ? ["--no-sandbox"] : [])];
  return chromium.launch({ executablePath, args });
}
