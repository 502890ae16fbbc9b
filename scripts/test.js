// Runs the tests: every test/**/*.test.ts, or those whose path contains one of the arguments.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";

const wanted = process.argv.slice(2);
const files = readdirSync("test", { recursive: true })
  .map((name) => `test/${name.split("\\").join("/")}`)
  .filter((name) => name.endsWith(".test.ts"))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort();
if (files.length === 0) {
  console.error(`no test file's path contains ${wanted.join(" or ")}`);
  process.exit(1);
}
const runner = spawn(process.execPath, ["--import", "tsx", "--test", "--test-concurrency=2", ...files], {
  stdio: "inherit",
});
runner.on("exit", (code, signal) => {
  process.exitCode = signal ? 1 : (code ?? 1);
});
