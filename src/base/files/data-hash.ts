// The SHA-256 of a file of records, or of a folder of them, one after another.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { jsonFilesIn } from "./json-records.ts";
import { openRegularFile } from "./regular-file.ts";

/** @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE for what is no regular file */
export async function dataHash(file: string): Promise<string> {
  const hash = createHash("sha256");
  for (const one of jsonFilesIn(file) ?? [file]) {
    const { descriptor } = openRegularFile(one);
    for await (const bytes of createReadStream(one, { fd: descriptor, start: 0 })) hash.update(bytes);
  }
  return hash.digest("hex");
}
