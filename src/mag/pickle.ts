// Tells Python's pickles, which ReConcile's code writes, from JSON. Reading one would run what is in it.

import { closeSync, readSync } from "node:fs";
import { MagdiError } from "../base/errors.ts";
import { jsonFilesIn } from "../base/files/json-records.ts";
import { openRegularFile } from "../base/files/regular-file.ts";

const TO_JSON_LINES =
  "python3 -c 'import json, pickle, sys; [print(json.dumps(r, default=str)) for r in pickle.load(open(sys.argv[1], \"rb\"))]'";

/** @throws MAGDI_BAD_FILE for a pickle, with what to do; MAGDI_FILE_MISSING */
export function assertNoPickle(file: string): void {
  if (jsonFilesIn(file) !== null) return;
  const { descriptor } = openRegularFile(file);
  const head = Buffer.alloc(2);
  try {
    readSync(descriptor, head, 0, head.length, 0);
  } finally {
    closeSync(descriptor);
  }
  const [first = 0, version = 0] = head;
  const isNamedSo = /\.(?:pkl|pickle)$/i.test(file) && !"{[ \n".includes(String.fromCharCode(first));
  // Protocols 2 to 5 begin with their number.
  if (!isNamedSo && !(first === 0x80 && version >= 2 && version <= 5)) return;
  throw new MagdiError(
    "MAGDI_BAD_FILE",
    `${file}: expected JSON records, found a Python pickle, which can run anything when it is read; if you trust it, write it as JSON lines: ${TO_JSON_LINES} ${file} > ${file}.jsonl`,
  );
}
