// magdi train verify: every quantity that training computes against a folder of reference results, as a table.

import { parseArgs } from "node:util";
import { MagdiError } from "../errors.ts";
import { type Check, hasPassed, verifyTraining } from "../train/verify.ts";
import type { Command } from "./command.ts";
import { parseThreads } from "./written-student.ts";

const HELP = `Usage: magdi train verify FOLDER [options]

Checks training against reference results that another framework computed, and prints each quantity
with its largest absolute and relative error (of arrays, the relative error is that of their norms).
The exit code is 1 when one is out of tolerance, or could not be verified.

FOLDER holds
  base/                              config.json, model.safetensors
  forward.safetensors                input_ids [B, T], logits [B, T, V] of the base        within 1e-4
  adapter/                           a LoRA adapter in PEFT's format
  adapter_forward.safetensors        logits of the base with it                            within 1e-4
  heads.safetensors                  score.*, gcn.*, node.* (weights [out, in])
  mags.json                          graphs as token ids, pairs, weights of the losses
  expected.json                      losses by ADJACENCY/MODE, and steps of AdamW          within 1e-5
  grads.NAME.safetensors             gradients: ADJACENCY.MODE, or only-LOSS               within 1e-4, relative
  params.after3.safetensors          parameters after the steps of AdamW                   within 1e-5
  merged_after3_forward.safetensors  logits of the base with these merged into it          within 1e-4
ADJACENCY: directed, undirected, fully-connected. MODE: live, frozen. LOSS: nll, margin, node.

  --threads N      threads (default: all cores)
`;

const WIDTH = 34;

function line(check: Check): string {
  const name = check.quantity.padEnd(WIDTH);
  if (check.kind === "not verified") return `${name} NOT VERIFIED: ${check.reason}`;
  const { errors, tolerance, passed, worst } = check;
  const number = (value: number): string => value.toExponential(2).padStart(10);
  const verdict = passed ? "ok" : `OUT OF TOLERANCE (${tolerance.kind} ${tolerance.limit.toExponential(1)})`;
  return `${name} ${number(errors.absolute)} ${number(errors.relative)}  ${verdict}${worst === null ? "" : `  worst: ${worst}`}`;
}

/** Resolves to 0 when every quantity is within its tolerance, else to 1.
 * @throws MAGDI_BAD_CONFIG for wrong arguments, MAGDI_FILE_MISSING when there is no such folder. */
export async function runTrainVerify(argv: readonly string[]): Promise<number> {
  const options = { threads: { type: "string" } } as const;
  const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true });
  const [folder, ...rest] = positionals;
  if (folder === undefined || rest.length > 0) {
    throw new MagdiError("MAGDI_BAD_CONFIG", "expected one FOLDER, see: magdi train verify --help");
  }
  console.log(`${"quantity".padEnd(WIDTH)} ${"absolute".padStart(10)} ${"relative".padStart(10)}`);
  const checks: Check[] = [];
  for await (const check of verifyTraining(folder, { threads: parseThreads(values.threads) })) {
    checks.push(check);
    console.log(line(check));
  }
  const wrong = checks.filter((check) => !hasPassed(check));
  const unverified = wrong.filter(({ kind }) => kind === "not verified").length;
  console.log(
    wrong.length === 0
      ? `\nall ${checks.length} quantities are within tolerance`
      : `\n${wrong.length} of ${checks.length} quantities failed: ${wrong.length - unverified} out of tolerance, ${unverified} not verified`,
  );
  return wrong.length === 0 ? 0 : 1;
}

export const trainVerifyCommand: Command = {
  name: "verify",
  summary: "check training against a folder of reference results",
  help: HELP,
  run: runTrainVerify,
};
