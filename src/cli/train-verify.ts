// magdi train verify: compares the quantities that training computes with reference results, as a table.

import { z } from "zod";
import { helpLines } from "../base/settings/setting.ts";
import { usableProcessors } from "../runtime/usable-processors.ts";
import { type Check, hasFailed, verifyTraining } from "../train/verify/verify.ts";
import { parseFlags, type Subcommand, usageError } from "./command.ts";
import { threadsFlag } from "./student-output.ts";

const FLAGS = z.object({ threads: threadsFlag("threads") });

const HELP = `Usage: magdi train verify FOLDER [options]

Checks training against reference results of another framework, and prints each quantity with its
largest absolute and relative error (for arrays, relative to their norms). The exit code is 1 if one
is out of tolerance, or its reference is broken.

FOLDER must hold
  base/                              config.json, model.safetensors (or its shards)
  adapter/                           a LoRA adapter in PEFT's format
  heads.safetensors                  score.*, gcn.*, node.* (weights [out, in])
  mags.json                          graphs as token ids, pairs, weights of the losses
  expected.json                      losses by ADJACENCY/MODE, and steps of AdamW          within 1e-5
and may hold, each compared if present
  forward.safetensors                input_ids [B, T], logits [B, T, V] of the base        within 1e-4
  adapter_forward.safetensors        logits of the base with the adapter                   within 1e-4
  grads.NAME.safetensors             gradients: ADJACENCY.MODE, or only-LOSS               within 1e-4, relative
  params.after3.safetensors          parameters after the steps of AdamW                   within 1e-3 of their updates
  merged_after3_forward.safetensors  logits of the base with these merged in               within 1e-4
ADJACENCY: directed, undirected, fully-connected. MODE: live, frozen. LOSS: nll, margin, node.

${helpLines(FLAGS)}
`;

const WIDTH = 35;

function line(check: Check): string {
  const name = check.quantity.padEnd(WIDTH);
  if (check.kind === "not verified") return `${name} NOT VERIFIED: ${check.reason}`;
  if (check.kind === "absent") return `${name}          -          -  not in the folder: ${check.what}`;
  const { errors, tolerance, passed, worst } = check;
  const number = (value: number): string => value.toExponential(2).padStart(10);
  const verdict = passed ? "ok" : `OUT OF TOLERANCE (${tolerance.kind} ${tolerance.limit.toExponential(1)})`;
  return `${name} ${number(errors.absolute)} ${number(errors.relative)}  ${verdict}${worst === null ? "" : `  worst: ${worst}`}`;
}

/** Resolves to 0 if every quantity in the folder is within tolerance, else to 1. @throws MAGDI_BAD_CONFIG; as verifyTraining */
async function run(argv: readonly string[]): Promise<number> {
  const { values, words } = parseFlags("train verify", argv, FLAGS, { words: true });
  const { threads = usableProcessors() } = values;
  const [folder, ...rest] = words;
  if (folder === undefined || rest.length > 0) throw usageError("train verify", "one FOLDER");
  console.log(`${"quantity".padEnd(WIDTH)} ${"absolute".padStart(10)} ${"relative".padStart(10)}`);
  const checks: Check[] = [];
  for await (const check of verifyTraining(folder, { threads })) {
    checks.push(check);
    console.log(line(check));
  }
  const failed = checks.filter(hasFailed);
  const compared = checks.filter(({ kind }) => kind === "compared").length;
  const without = checks.filter(({ kind }) => kind === "absent").length;
  const others = without === 0 ? "" : `; ${without} not in the folder`;
  if (failed.length > 0) {
    console.log(
      `\n${failed.length} of ${checks.length - without} quantities failed: ${failed.map(({ quantity }) => quantity).join("; ")}${others}`,
    );
    return 1;
  }
  console.log(
    compared === 0
      ? "\nnothing was compared: the folder has no reference for any quantity"
      : `\nall ${compared} quantities are within tolerance${others}`,
  );
  return compared === 0 ? 1 : 0;
}

export const trainVerifyCommand: Subcommand = { help: HELP, run };
