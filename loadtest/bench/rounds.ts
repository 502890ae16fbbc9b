// Runs cases in rounds, with all subjects in turn in each, so that other load on the machine affects all equally.
import type { BenchCase } from "./cases.ts";
import { type CaseReport, OURS } from "./report.ts";
import { spreadOf } from "./statistics.ts";
import type { Subject } from "./workload.ts";

/** Runs `repeats` rounds after a warm-up round that does not count. */
export async function runRounds(
  running: ReadonlyMap<string, Pick<Subject, "run">>,
  cases: readonly BenchCase[],
  repeats: number,
  say: (line: string) => void,
): Promise<CaseReport[]> {
  const reports: CaseReport[] = [];
  for (const { name, unit, workload, value } of cases) {
    const values = new Map<string, number[]>([...running.keys()].map((subject) => [subject, []]));
    for (let round = -1; round < repeats; round++) {
      for (const [subject, process] of running) {
        const measured = value(await process.run(workload));
        if (round >= 0) values.get(subject)?.push(measured);
      }
    }
    const ours = values.get(OURS);
    const results = Object.fromEntries([...values].map(([subject, list]) => [subject, spreadOf(list)]));
    const ratios = Object.fromEntries(
      [...values]
        .filter(([subject]) => ours !== undefined && subject !== OURS)
        .map(([subject, list]) => [
          subject,
          spreadOf(list.map((theirs, round) => (ours?.[round] ?? 0) / theirs)),
        ]),
    );
    reports.push({ name, unit, results, ratios });
    say(
      `${name}: ${[...values].map(([s, l]) => `${s} ${spreadOf(l).median.toFixed(1)}`).join(", ")} ${unit}`,
    );
  }
  return reports;
}
