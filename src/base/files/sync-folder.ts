// Makes the names in a folder last through a power cut.

import { closeSync, fsyncSync, openSync } from "node:fs";

/** Flushes `folder` itself, not its files; nothing where a system cannot open folders. The file system's errors pass. */
export function syncFolder(folder: string): void {
  if (process.platform === "win32") return;
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
