// The default student's engine in this process, with the server's own settings: what HTTP is compared with.
import { parseArgs } from "node:util";
import { openStudent } from "../src/asking/student.ts";
import { DEFAULT_STUDENT } from "../src/cli/default-student.ts";
import { loadConfig } from "../src/server/config.ts";
import type { BareEngine } from "./scenarios/scenario.ts";

/** `serverFlags` are the server's; those that the engine does not know are left out. */
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
