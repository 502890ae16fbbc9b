// Opens a student folder for serving: the engine over it, as the server's settings have it.

import { statSync } from "node:fs";
import path from "node:path";
import { openEngine, tellChoice } from "../engine/open-engine.ts";
import { MANIFEST_FILE } from "../student/manifest.ts";
import type { OpenStudent } from "./served-student.ts";

export const openStudent: OpenStudent = async (folder, { config, onStep }) => {
  const opened = await openEngine(folder, { ...config, onStep });
  const { manifest, dtype } = opened.folder;
  return {
    id: manifest.name,
    engine: opened.engine,
    tokenizer: opened.tokenizer,
    chatTemplate: opened.chatTemplate,
    manifest: { ...manifest, dtype, device: opened.device.device },
    deviceChoice: tellChoice(opened.device),
    created: Math.floor(statSync(path.join(folder, MANIFEST_FILE)).mtimeMs / 1000),
  };
};
