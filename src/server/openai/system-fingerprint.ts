// OpenAI's system_fingerprint: it changes when a seed may give other samples than before. It knows no request.
import { createHash } from "node:crypto";
import type { ServedStudent } from "../served-student.ts";

const known = new WeakMap<ServedStudent, string>();

/** A hash of the student's name and manifest, which holds its dtype and the hashes of its weights. */
export function systemFingerprint(student: ServedStudent): string {
  let fingerprint = known.get(student);
  if (fingerprint === undefined) {
    const hash = createHash("sha256").update(JSON.stringify([student.id, student.manifest]));
    fingerprint = `fp_${hash.digest("hex").slice(0, 12)}`;
    known.set(student, fingerprint);
  }
  return fingerprint;
}
