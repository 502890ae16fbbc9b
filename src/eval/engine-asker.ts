// Asks a student in this process, as the server does.

import { type AskableStudent, ask } from "../asking/ask.ts";
import { type AskedQuestion, resolveQuestion } from "../asking/question.ts";
import { openStudent } from "../asking/student.ts";
import type { DeviceSetting } from "../engine/engine-settings.ts";
import type { Dtype } from "../student/dtype.ts";
import type { Answered, Asker, ModelIdentity } from "./asker.ts";
import type { Question } from "./question-formats.ts";
import type { EvalSettings } from "./settings.ts";

export interface EngineAskerOptions {
  readonly folder: string;
  readonly device: DeviceSetting;
  readonly dtype: Dtype | null;
  readonly threads: number | null;
  readonly batchRows: number;
  readonly contextLength: number | null;
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
