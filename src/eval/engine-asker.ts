// Asks a student in this process, as the server does.

import { z } from "zod";
import { type AskableStudent, ask } from "../asking/ask.ts";
import { type AskedQuestion, resolveQuestion } from "../asking/question.ts";
import { openStudent } from "../asking/student.ts";
import { oneOf, wholeNumber } from "../base/settings/kinds.ts";
import { DEVICE_SETTINGS } from "../engine/engine-settings.ts";
import { DTYPES } from "../student/dtype.ts";
import type { Answered, Asker, ModelIdentity } from "./asker.ts";
import type { Question } from "./question-formats.ts";
import type { EvalSettings } from "./settings.ts";

/** How the student is opened; of these, threads and rows decide its speed alone. */
export const engineSettings = z.object({
  device: oneOf(DEVICE_SETTINGS).default("cpu").describe(DEVICE_SETTINGS.join(", ")),
  dtype: oneOf(DTYPES)
    .nullable()
    .default(null)
    .describe(`${DTYPES.join(", ")} (default: the smallest that suits the device)`),
  threads: wholeNumber(1).nullable().default(null).describe("default: the number of available processors"),
  batchRows: wholeNumber(2).default(32).describe("samples decoded at the same time, at least 2"),
  contextLength: wholeNumber(16)
    .nullable()
    .default(null)
    .describe("tokens of prompt and answer together (default: the student's, at most 4096)"),
});

export type EngineSettings = Readonly<z.output<typeof engineSettings>>;

export interface EngineAskerOptions extends EngineSettings {
  readonly folder: string;
}

/** Size of the queue behind the batch, as a multiple of it, so that rows stay full until the end. */
const QUEUE_FACTOR = 2;

/** @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG, MAGDI_UNSUPPORTED */
export async function openEngineAsker(options: EngineAskerOptions, settings: EvalSettings): Promise<Asker> {
  const { folder, batchRows } = options;
  const student = await openStudent(folder, {
    ...options,
    queueSamples: (QUEUE_FACTOR + 1) * (batchRows + settings.samples),
    maxSamples: settings.samples,
    hashedFirstBytes: Number.POSITIVE_INFINITY,
  });
  const { dtype, device, files } = student.manifest;
  const checked = [...student.files.checked].sort();
  const hashes = Object.fromEntries(
    checked.flatMap((name) => (files[name] ? [[name, files[name].sha256]] : [])),
  );
  const asker = engineAsker(
    student,
    batchRows,
    {
      name: student.id,
      kind: "folder",
      dtype,
      files: hashes,
      left_out: [],
      device,
      context_length: student.engine.contextLength,
    },
    settings,
  );
  return options.device === "auto" ? { ...asker, deviceChoice: student.deviceChoice } : asker;
}

/** Asks an open student; closing the asker closes the student's engine. */
export function engineAsker(
  student: AskableStudent,
  batchRows: number,
  model: ModelIdentity,
  settings: EvalSettings,
): Asker {
  return {
    model,
    concurrency: (samples) => Math.max(1, Math.ceil((QUEUE_FACTOR * batchRows) / samples)),
    async ask(question: Question, seed: number, signal: AbortSignal): Promise<Answered> {
      signal.throwIfAborted();
      const asked = resolveQuestion(askedOf(settings, question, seed));
      const run = ask(student, asked, { id: `${question.dataset}/${question.id}` });
      const stop = () => run.cancel("cancelled");
      signal.addEventListener("abort", stop, { once: true });
      try {
        const { samples, usage } = await run.done;
        signal.throwIfAborted();
        return { samples, promptTokens: usage.promptTokens };
      } finally {
        signal.removeEventListener("abort", stop);
      }
    },
    close: () => student.engine.close(),
  };
}

/** A question as a server gets it from a request with these settings. */
export function askedOf(settings: EvalSettings, question: Question, seed: number): AskedQuestion {
  return {
    ...question,
    samples: settings.samples,
    temperature: settings.temperature,
    topP: settings.top_p,
    topK: settings.top_k,
    maxTokens: settings.max_tokens ?? undefined,
    seed,
    vote: settings.vote,
    earlyStop: "off",
  };
}
