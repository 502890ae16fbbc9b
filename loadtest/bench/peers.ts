// The peers that the project does not depend on: installed beside the bench when it first runs.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const FOLDER = fileURLToPath(new URL("./peers/", import.meta.url));

/** Where to import node-llama-cpp from; installs it, by the versions of peers/package.json, when it is not there. */
export function nodeLlamaCppEntry(say: (line: string) => void): string {
  const entry = `${FOLDER}node_modules/node-llama-cpp/dist/index.js`;
  if (!existsSync(entry)) {
    say("installing node-llama-cpp beside the bench");
    execFileSync("npm", ["install", "--ignore-scripts", "--no-package-lock"], {
      cwd: FOLDER,
      stdio: "inherit",
    });
  }
  return pathToFileURL(entry).href;
}
