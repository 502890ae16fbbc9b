// The default student's engine in this process with the server's settings, as the baseline for HTTP.
import { parseArgs } from "node:util";
import { openStudent } from "../src/asking/student.ts";
import { DEFAULT_STUDENT } from "../src/base/package-files.ts";
import { loadConfig } from "../src/server/config.ts";
import type { BareEngine } from "./scenarios/scenario.ts";

/** `serverFlags`: flags of magdi serve; those that do not concern the engine are ignored. */
export async function openBareEngine(serverFlags: readonly string[]): Promise<BareEngine> {
  const { values } = parseArgs({ args: [...serverFlags], strict: false, allowPositionals: true });
  const flags = Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
  const config = loadConfig({ environment: process.env, flags });
  const student = await openStudent(config.model ?? DEFAULT_STUDENT, config);
  return {
    engine: student.engine,
    encode: (text) => student.tokenizer.encode(text, { addSpecialTokens: true }),
    close: () => student.engine.close(),
  };
}
