// Compiles regular expressions in a process of its own, as some take hours to compile, which nothing else can stop.

import { spawn } from "node:child_process";

const LIMIT_MS = 5000;
const MAX_HEAP_MB = 256;

/** Writes the number of each expression before it is compiled: to bytecode, then to machine code, for texts of one and of
 * two bytes a character. */
const PROGRAM = `
const { readFileSync, writeSync } = require("node:fs");
for (const [index, { source, flags }] of JSON.parse(readFileSync(0, "utf8")).entries()) {
  writeSync(1, index + "\\n");
  const pattern = new RegExp(source, flags);
  for (const text of ["a", "中", "a", "中", "a", "中"]) {
    pattern.lastIndex = 0;
    pattern.exec(text);
  }
}
writeSync(1, "done\\n");
`;

/** The index of the first expression that cannot be compiled in time, or not at all; null when all can.
 * @throws Error when no process can be started */
export async function findUncompilable(patterns: readonly RegExp[]): Promise<number | null> {
  const child = spawn(process.execPath, [`--max-old-space-size=${MAX_HEAP_MB}`, "-e", PROGRAM], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...process.env, NODE_OPTIONS: "" },
    timeout: LIMIT_MS,
    killSignal: "SIGKILL",
  });
  let written = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    written += text;
  });
  // It may end before it has read everything.
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(patterns.map(({ source, flags }) => ({ source, flags }))));
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  const last = written.trimEnd().split("\n").at(-1);
  if (last === "done") return null;
  return last === undefined || last === "" ? 0 : Number(last);
}
