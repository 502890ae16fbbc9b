// What is flushed to the disk during a test, as its inode.

import fs, { fstatSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { mock } from "node:test";

/** Calls `onSync` before each flush until the function that it returns is called. */
export function watchSyncs(onSync: (inode: number) => void): () => void {
  const sync = fs.fsyncSync;
  const watched = mock.method(fs, "fsyncSync", (descriptor: number) => {
    onSync(fstatSync(descriptor).ino);
    sync(descriptor);
  });
  // Who imported it by name has this one too.
  syncBuiltinESMExports();
  return () => {
    watched.mock.restore();
    syncBuiltinESMExports();
  };
}
