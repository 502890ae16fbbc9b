// Uploads what a command wrote to a model repository on the hub.

import { readdirSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import { hubSettings, parseHubId } from "../student/hub.ts";
import { type UploadFile, uploadToHub } from "../student/hub-upload.ts";
import { terminalProgress } from "./progress.ts";

export interface HubRepository {
  readonly repository: string;
  readonly endpoint: string;
  readonly token: string;
}

/** The repository that --push-to-hub names; null without one. Checked before anything is computed.
 * @throws MAGDI_BAD_CONFIG for another kind of name, and without a token */
export function hubRepository(name: string | undefined): HubRepository | null {
  if (name === undefined) return null;
  const id = parseHubId(name);
  if (id === null || id.repository !== name) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--push-to-hub: expected OWNER/NAME, found ${JSON.stringify(name)}`,
    );
  }
  const { endpoint, token } = hubSettings(process.env);
  if (token === null || token === undefined) {
    throw new MagdiError(
      "MAGDI_BAD_CONFIG",
      `--push-to-hub: expected a token with write access in HF_TOKEN, found none; make one at ${endpoint}/settings/tokens`,
    );
  }
  return { repository: name, endpoint, token };
}

/** All files of a folder, under their names in it. */
export function filesIn(folder: string): UploadFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .map((file) => ({ path: path.relative(folder, file).split(path.sep).join("/"), content: { file } }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A file, and a README.md beside it. */
export function fileWithCard(file: string, card: string): UploadFile[] {
  return [
    { path: path.basename(file), content: { file } },
    { path: "README.md", content: { text: card } },
  ];
}

/** Uploads in one commit what lies at `out`, with progress on stderr. @throws as uploadToHub */
export async function pushToRepository(
  target: HubRepository,
  out: string,
  files: readonly UploadFile[],
): Promise<void> {
  const progress = terminalProgress(process.stderr);
  try {
    const commit = await uploadToHub(files, {
      ...target,
      summary: "Upload a model with magdi",
      onProgress: ({ file, done, total }) => progress.report(`uploading ${file}, bytes`, done, total),
    });
    progress.end();
    console.log(`Uploaded to ${commit}`);
  } catch (error) {
    if (!(error instanceof MagdiError)) throw error;
    const message = `${error.message}; ${out} is whole: the same command with --force uploads what is missing`;
    throw new MagdiError(error.code, message, { cause: error });
  } finally {
    progress.end();
  }
}
