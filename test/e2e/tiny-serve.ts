// `magdi serve` with the scripted student: the same process owner, signals and sockets, no weights to load.

import { MagdiError } from "../../src/base/errors.ts";
import { createServeCommand } from "../../src/cli/serve.ts";
import { tinyStudent } from "../server/support/tiny-student.ts";

const command = createServeCommand(async (folder, { config, onStep }) => {
  if (folder === "missing")
    throw new MagdiError("MAGDI_FILE_MISSING", `${folder}: expected a student folder`);
  const { batchRows: maxRows, queueSamples: maxWaitingSamples } = config;
  // Counts of what is computed stay simple: prompts are reused only where that was asked for.
  const prefixCacheTokens = process.argv.includes("--prefix-cache-tokens")
    ? (config.prefixCacheTokens ?? 2048)
    : 0;
  return tinyStudent({ onStep, contextLength: 65_536, maxRows, maxWaitingSamples, prefixCacheTokens });
});
try {
  process.exitCode = await command.run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof MagdiError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
