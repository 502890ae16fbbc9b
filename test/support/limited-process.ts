// A process whose files may not grow beyond a size: what it writes there is cut short, then refused, as on a disk that
// fills up.

import { spawnSync } from "node:child_process";

/** Why there is none to be had here; false where there is. */
export const NO_LIMITS = process.platform === "win32" && "there is no ulimit";

const BLOCK_BYTES = 512;

/** Runs an ES module's text, which imports by URL and prints one JSON value. */
export function withFilesUpTo<T>(sizeBytes: number, text: string): T {
  const { stdout, stderr } = spawnSync(
    "sh",
    ["-c", `ulimit -f ${sizeBytes / BLOCK_BYTES}; exec "$@"`, "sh", process.execPath].concat([
      "--import",
      "tsx",
      "--input-type=module",
      "--eval",
      text,
    ]),
    // tsx keeps what it made of the sources in files, which would be cut short too.
    { encoding: "utf8", env: { ...process.env, TSX_DISABLE_CACHE: "1" } },
  );
  try {
    return JSON.parse(stdout) as T; // as the text prints it
  } catch {
    throw new Error(`expected one JSON value, found ${stdout}\n${stderr}`);
  }
}
