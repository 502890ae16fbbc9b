// Where an adapter and its base are: folders here or repositories of a hub, the base by the adapter's own configuration where
// none is named.

import { existsSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../../base/errors.ts";
import { downloadAdapter, parseHubId } from "../../student/hub.ts";
import type { BaseLocation } from "../../student/open-base.ts";
import { type PeftConfig, readPeftConfig } from "./peft-config.ts";

/** The adapter's folder, downloaded if need be. A path on disk wins over a hub id of the same name.
 * @throws MAGDI_FILE_MISSING, MAGDI_BAD_FILE */
export async function locateAdapter({ source, hub, onProgress }: BaseLocation): Promise<string> {
  const id = existsSync(source) || hub === undefined ? null : parseHubId(source);
  if (hub === undefined || id === null || id.file !== null) return source;
  return downloadAdapter(id, {
    ...hub,
    onProgress: ({ file, doneBytes, totalBytes }) =>
      onProgress?.({ stage: `downloading ${file}, bytes`, done: doneBytes, total: totalBytes ?? doneBytes }),
  });
}

/** The base that the adapter's configuration names, as a path or hub id.
 * @throws MAGDI_BAD_CONFIG when it names none, or none that can be found */
export function baseOfAdapter(folder: string): string {
  const { base, revision } = readPeftConfig(folder);
  const id = base === null ? null : parseHubId(base);
  if (base !== null && (existsSync(base) || id !== null)) {
    return existsSync(base) || revision === null || base.includes("@") ? base : `${base}@${revision}`;
  }
  const found = base === null ? "names none" : `names ${base}, which is neither here nor a hub id`;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `--base: expected the adapter's base; ${folder} ${found}: pass --base SOURCE`,
  );
}

/** A sentence when the base is not the one that the adapter's configuration names; else null. */
export function otherBaseNote(config: PeftConfig, source: string, statedName: unknown): string | null {
  const { base: made, revision } = config;
  if (made === null) return null;
  const id = existsSync(source) ? null : parseHubId(source);
  const sameRevision = revision === null || id === null || id.revision === revision;
  if (sameRevision && [source, statedName].some((name) => typeof name === "string" && isSame(name, made))) {
    return null;
  }
  const at = revision === null ? "" : `, revision ${JSON.stringify(revision)}`;
  const used = id === null ? path.basename(path.resolve(source)) : source;
  return `The adapter was made for ${JSON.stringify(made)}${at}, as its configuration says, and has here the base ${JSON.stringify(used)}: they may differ where shapes do not.`;
}

/** Whether two names of a base may mean the same: whole hub ids where both are, else their last parts. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((name) => (existsSync(name) ? null : parseHubId(name)?.repository));
  if (typeof a === "string" && typeof b === "string") return a.toLowerCase() === b.toLowerCase();
  return lastPart(one) === lastPart(other);
}

/** Of a hub's cache (models--OWNER--NAME/snapshots/COMMIT) the model's name. */
function lastPart(name: string): string {
  const cached = /models--(?:[^/]+--)?([^/]+)\/snapshots\/[^/]+\/?$/.exec(name)?.[1];
  const id = existsSync(name) ? null : parseHubId(name);
  const plain = id?.repository ?? name;
  return (cached ?? path.basename(plain)).toLowerCase();
}
