// The software Vulkan that Debian's chromium brings, for tests of WebGPU where there is no GPU: the loader is put into
// this process, or into the environment of another, before the first session looks for one.

import { existsSync } from "node:fs";
import path from "node:path";
import koffi from "koffi";

const FOLDERS = [process.env.SWIFTSHADER_PATH ?? "/usr/lib/chromium", "/usr/lib/chromium-browser"];
const files = (folder: string) => ({
  loader: path.join(folder, "libvulkan.so.1"),
  driver: path.join(folder, "vk_swiftshader_icd.json"),
});
const found = FOLDERS.map(files).find(({ loader, driver }) => existsSync(loader) && existsSync(driver));

/** For a test's options: why WebGPU cannot be tested here, or false. */
export const NO_SOFTWARE_GPU =
  found === undefined &&
  "no SwiftShader here: install Debian's chromium, or set SWIFTSHADER_PATH to a folder with libvulkan.so.1 and vk_swiftshader_icd.json";

/** What another process needs in its environment. */
export const SOFTWARE_GPU_ENVIRONMENT: Readonly<Record<string, string>> =
  found === undefined ? {} : { LD_LIBRARY_PATH: path.dirname(found.loader), VK_ICD_FILENAMES: found.driver };

/** Koffi unloads what nobody refers to. */
const held: unknown[] = [];

/** Makes the software GPU this process's; before any session on WebGPU. */
export function useSoftwareGpu(): void {
  if (found === undefined) throw new Error(String(NO_SOFTWARE_GPU));
  // Who looks for the library by its name finds the one that is loaded.
  if (held.length === 0) held.push(koffi.load(found.loader));
  process.env.VK_ICD_FILENAMES = found.driver;
}
