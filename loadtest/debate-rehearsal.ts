// npm run debate-rehearsal: students behind servers of their own debate real questions; a second debate is killed in the
// middle and continued. Whether any call was made twice, whether both gave the same graphs, whether the ledger has what
// the servers counted, how far the estimate was off, and whether a student can be trained on it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { MagdiError } from "../src/base/errors.ts";
import { DEFAULT_STUDENT } from "../src/base/package-files.ts";
import { bareFlag, files, number, text, wholeNumber } from "../src/base/settings/kinds.ts";
import { helpLines } from "../src/base/settings/setting.ts";
import { parseFlags, usageError } from "../src/cli/command.ts";
import { accuraciesIn, callsIn, countsOf, repeatedIn, transcriptsIn } from "./debate/debate-folder.ts";
import { type Counts, ServedAgents, since } from "./debate/served-agents.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const POLL_MS = 50;

const FLAGS = z.object({
  students: files("a student's folder")
    .exactOptional()
    .describe("two or more students, each behind a server of its own"),
  data: files("a file of questions")
    .exactOptional()
    .describe("questions for training, as magdi debate takes them"),
  questions: wholeNumber(1).default(20).describe("of each data set, evenly spread"),
  maxTokensAnAnswer: wholeNumber(1).default(256).describe("bound of an answer"),
  rounds: wholeNumber(0, 100).default(3).describe("rounds after round 0, at most"),
  temperature: number(0, 2).default(0.7).describe("of all students"),
  concurrency: wholeNumber(1).default(4).describe("calls of an agent at once"),
  seed: wholeNumber(0).default(0).describe("of both debates"),
  threads: wholeNumber(1).nullable().default(null).describe("of each server"),
  estimateQuestions: wholeNumber(1).default(4).describe("of each data set, for the estimate"),
  trainSteps: wholeNumber(0).default(2).describe("of magdi train on the graphs; 0 for none"),
  base: text("a model", "DIR").default(DEFAULT_STUDENT).describe("what is trained"),
  out: text("a folder", "FOLDER")
    .nullable()
    .default(null)
    .describe("where all is left, new; default: a temporary folder"),
  help: bareFlag().describe("this text"),
});
type Settings = z.output<typeof FLAGS>;

const HELP = `Usage: npm run debate-rehearsal -- --students DIR DIR DIR --data FILE... [options]

${helpLines(FLAGS)}

Exits with 0 if everything holds that must, 1 if not.
`;

/** A line of the table; `holds` is null for what is only reported. */
interface Finding {
  readonly what: string;
  readonly found: string;
  readonly holds: boolean | null;
}

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
}

const startMs = performance.now();

function say(line: string): void {
  process.stderr.write(`[${((performance.now() - startMs) / 1000).toFixed(0)} s] ${line}\n`);
}

/** Runs the command to its end, or until `until` holds: then it is killed. Its progress goes to our stderr. */
async function magdi(args: readonly string[], until: (() => boolean) | null = null): Promise<Finished> {
  say(`magdi ${args.join(" ")}`);
  const child = spawn(process.execPath, [path.join(ROOT, "bin/magdi.js"), ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  let stdout = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const timer = setInterval(() => {
    if (until?.()) kill();
  }, POLL_MS);
  const [code] = (await once(child, "close")) as [number | null]; // as Node's documentation has it
  clearInterval(timer);
  process.removeListener("exit", kill);
  return { code, stdout };
}

async function debate(args: readonly string[]): Promise<string> {
  const { code, stdout } = await magdi(args);
  if (code !== 0) throw new Error(`magdi debate ended with ${code}; its words are above`);
  return stdout;
}

/** An estimate, then all of the debate, with nothing that disturbs it. */
async function undisturbed(agents: ServedAgents, args: readonly string[], out: string, settings: Settings) {
  const before = await agents.counts();
  const to = ["--out", out];
  const asked = ["--estimate", "--estimate-questions", `${settings.estimateQuestions}`];
  const estimate = await debate([...args, ...to, ...asked]);
  const said = await debate([...args, ...to]);
  const calls = callsIn(out);
  const ledger = countsOf(calls, agents.names);
  const served = since(before, await agents.counts());
  const ofEstimate =
    /about (\d+)(?: \([^)]*\))? calls, (\d+)(?: \([^)]*\))? tokens of prompts and (\d+)/.exec(estimate);
  const whole = total(ledger);
  const errors = [whole.calls, whole.promptTokens, whole.completionTokens].map((amount, index) =>
    errorText(ofEstimate === null ? Number.NaN : Number(ofEstimate[index + 1]), amount),
  );
  return {
    calls,
    findings: [
      ...sameCounts("undisturbed", ledger, served),
      sameSums(said, calls.length, whole),
      {
        what: "estimate against the whole: calls, prompts, generated",
        found: ofEstimate === null ? `not read in: ${estimate.trim()}` : errors.join(", "),
        holds: ofEstimate !== null,
      },
    ],
  };
}

function errorText(estimated: number, amount: number): string {
  const percent = (100 * (estimated - amount)) / amount;
  return `${estimated} for ${amount} (${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(1)} %)`;
}

function total(counts: ReadonlyMap<string, Counts>): Counts {
  const sum = (amountOf: (one: Counts) => number) =>
    [...counts.values()].reduce((all, one) => all + amountOf(one), 0);
  return {
    calls: sum(({ calls }) => calls),
    promptTokens: sum(({ promptTokens }) => promptTokens),
    completionTokens: sum(({ completionTokens }) => completionTokens),
  };
}

/** Kills a debate when `killAt` calls are in its journal, and continues it. */
async function killed(
  agents: ServedAgents,
  args: readonly string[],
  out: string,
  { killAt, mostAtOnce }: { readonly killAt: number; readonly mostAtOnce: number },
): Promise<Finding[]> {
  const to = ["--out", out];
  const before = await agents.counts();
  const { code } = await magdi([...args, ...to], () => callsIn(out).length >= killAt);
  const atKill = callsIn(out);
  say(`killed with ${atKill.length} calls in the journal`);
  const between = await agents.counts();
  await debate([...args, ...to]);
  const all = callsIn(out);
  const after = await agents.counts();
  // What was answered while the debate was being killed may be in no journal.
  const unkept = total(since(before, between)).calls - atKill.filter(({ error }) => error === null).length;
  const kept = JSON.stringify(all.slice(0, atKill.length)) === JSON.stringify(atKill);
  return [
    {
      what: "killed in the middle",
      found: `with ${atKill.length} of ${all.length} calls`,
      holds: code === null,
    },
    {
      what: "answered, but not yet in the journal when it was killed",
      found: `${unkept}, of at most ${mostAtOnce} that ran`,
      holds: unkept >= 0 && unkept <= mostAtOnce,
    },
    {
      what: "calls in the journal when it was killed are there still",
      found: kept ? "all" : "not all",
      holds: kept,
    },
    { what: "calls in the journal twice", found: `${repeatedIn(all)}`, holds: repeatedIn(all) === 0 },
    ...sameCounts("continued", countsOf(all.slice(atKill.length), agents.names), since(between, after)),
  ];
}

/** What servers counted beside what the journal has. */
function sameCounts(
  run: string,
  ledger: ReadonlyMap<string, Counts>,
  served: ReadonlyMap<string, Counts>,
): Finding[] {
  const shown = ({ calls, promptTokens, completionTokens }: Counts) =>
    `${calls} calls, ${promptTokens} + ${completionTokens} tokens`;
  return [...ledger].map(([agent, own]) => {
    const theirs = served.get(agent);
    const holds = JSON.stringify(own) === JSON.stringify(theirs);
    const found =
      holds || theirs === undefined ? shown(own) : `${shown(own)}; its server has ${shown(theirs)}`;
    return { what: `${run}, ${agent}: journal and server`, found, holds };
  });
}

/** What the command says at its end that all came to, beside the journal's own sums. */
function sameSums(said: string, attempts: number, { promptTokens, completionTokens }: Counts): Finding {
  const expected = `${attempts} calls, ${promptTokens + completionTokens} tokens`;
  const found = /^\d+ calls, \d+ tokens/m.exec(said)?.[0] ?? "nothing";
  return {
    what: "the ledger's sums",
    found: found === expected ? found : `${found}; the journal has ${expected}`,
    holds: found === expected,
  };
}

function sameGraphs(one: string, other: string): Finding {
  const [a, b] = [one, other].map((folder) => {
    const file = path.join(folder, "mags.jsonl");
    return existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
  }) as [Buffer, Buffer]; // of two folders
  const lines = a.toString().split("\n").length - 1;
  const holds = a.length > 0 && a.equals(b);
  return {
    what: "graphs of both debates",
    found: holds ? `${lines}, equal byte for byte` : `${a.length} and ${b.length} bytes, not equal`,
    holds,
  };
}

async function trained(
  mags: string,
  out: string,
  { trainSteps, base, threads }: Settings,
): Promise<Finding[]> {
  if (trainSteps === 0) return [];
  const { code } = await magdi([
    ...["train", "--recipe", "magdi", "--data", mags, "--base", base, "--out", out],
    // All graphs are trained on: there may be few that anything can be learned from.
    ...["--max-steps", `${trainSteps}`, "--no-export", "--validation-share", "0"],
    ...(threads === null ? [] : ["--threads", `${threads}`]),
  ]);
  return [
    {
      what: `magdi train, ${trainSteps} steps on the graphs`,
      found: code === 0 ? "done" : `ended with ${code}; its words are above`,
      holds: code === 0,
    },
  ];
}

async function rehearse(
  settings: Settings,
  students: readonly string[],
  data: readonly string[],
): Promise<boolean> {
  const out = settings.out ?? mkdtempSync(path.join(tmpdir(), "magdi-rehearsal-"));
  mkdirSync(out, { recursive: true });
  const folder = (name: string) => path.join(out, name);
  say(`starting ${students.length} servers; all is left in ${out}`);
  const agents = await ServedAgents.start(students, { ...settings, maxTokens: settings.maxTokensAnAnswer });
  try {
    agents.writeFile(folder("agents.json"));
    const args = [
      ...["debate", "--agents", folder("agents.json"), "--data", ...data, "--limit", `${settings.questions}`],
      ...["--rounds", `${settings.rounds}`, "--seed", `${settings.seed}`],
    ];
    const whole = await undisturbed(agents, args, folder("whole"), settings);
    const transcripts = transcriptsIn(folder("whole"));
    // Half of round 0: no debate has fewer calls.
    const mostAtOnce = settings.concurrency * agents.names.length;
    const killAt = Math.max(1, Math.floor((agents.names.length * transcripts.length) / 2));
    const findings: Finding[] = [
      { what: "questions", found: `${transcripts.length}`, holds: transcripts.length > 0 },
      { what: "calls", found: `${whole.calls.length}`, holds: null },
      { what: "consensus", found: `${transcripts.filter(({ consensus }) => consensus).length}`, holds: null },
      ...whole.findings,
      ...(await killed(agents, args, folder("killed"), { killAt, mostAtOnce })),
      sameGraphs(folder("whole"), folder("killed")),
      ...(await trained(path.join(folder("whole"), "mags.jsonl"), folder("train"), settings)),
      ...accuraciesIn(transcripts, agents.names).map(([of, share]) => ({
        what: `right: ${of}`,
        found: share,
        holds: null,
      })),
    ];
    say("done\n");
    console.log(tableText(findings));
    return findings.every(({ holds }) => holds !== false);
  } finally {
    await agents.close();
  }
}

function tableText(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, found, holds }) => {
    const verdict = holds === null ? "" : holds ? "yes" : "NO";
    return `| ${what} | ${found} | ${verdict} |`;
  });
  return ["| what | found | as it must be |", "|---|---|---|", ...rows].join("\n");
}

async function main(): Promise<void> {
  // Servers and commands end with this process.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  const { values } = parseFlags("debate-rehearsal", process.argv.slice(2), FLAGS);
  if (values.help) return console.log(HELP);
  const { students = [], data = [] } = values;
  if (students.length < 2 || data.length === 0)
    throw usageError("debate-rehearsal", "--students DIR DIR and --data FILE...");
  process.exitCode = (await rehearse(values, students, data)) ? 0 : 1;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof MagdiError)) throw error;
  console.error(error.message.replace("magdi debate-rehearsal", "npm run debate-rehearsal --"));
  process.exitCode = 1;
}
