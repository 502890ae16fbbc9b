// npm run loadtest: one scenario against a server on this machine, a table, and an exit code.
import { MagdiError } from "../src/base/errors.ts";
import { writeWholeFile } from "../src/base/files/whole-file.ts";
import { HELP, parseArguments } from "./arguments.ts";
import { passed } from "./report.ts";
import { runScenario } from "./run.ts";
import { renderReport } from "./table.ts";

const INTERRUPTED = 130;

async function main(argv: readonly string[]): Promise<number> {
  const args = parseArguments(argv);
  if (args === null) {
    process.stdout.write(HELP);
    return 0;
  }
  const interrupt = new AbortController();
  // A second Ctrl-C has its default effect.
  process.once("SIGINT", () => interrupt.abort());
  const say = (line: string): void => void process.stderr.write(`${args.scenario.name}: ${line}\n`);
  const report = await runScenario(args, { signal: interrupt.signal, say });
  if (args.json !== null) writeWholeFile(args.json, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(renderReport(report));
  if (report.brokenOff) return INTERRUPTED;
  return passed(report, args.enforceTargets) ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof MagdiError)) throw error;
  process.stderr.write(`loadtest: ${error.message}\n`);
  process.exitCode = 1;
}
