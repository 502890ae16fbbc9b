// An agent that is a student in this process.

import { createHash } from "node:crypto";
import { z } from "zod";
import { openStudent, type Student } from "../asking/student.ts";
import { MagdiError } from "../base/errors.ts";
import type { DeviceSetting } from "../engine/engine-settings.ts";
import type { Dtype } from "../student/dtype.ts";
import type { Message } from "../text/chat-prompt.ts";
import { type Agent, AgentCallError, type AgentLimits } from "./agent.ts";

export interface StudentAgentOptions {
  readonly name: string;
  readonly folder: string;
  readonly device: DeviceSetting;
  readonly dtype: Dtype | null;
  readonly threads: number | null;
  readonly contextLength: number | null;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly maxTokens: number;
  readonly form: "json" | "text";
  readonly limits: AgentLimits;
}

const generated = z.object({
  text: z.string(),
  finish_reason: z.string(),
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
});

/** @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG, MAGDI_UNSUPPORTED */
export async function openStudentAgent(options: StudentAgentOptions): Promise<Agent> {
  const { folder, device, dtype, threads, contextLength, limits } = options;
  const student = await openStudent(folder, {
    ...{ device, dtype, threads, contextLength },
    batchRows: Math.max(2, limits.concurrency),
  });
  return studentAgent(student, options);
}

function studentAgent(student: Student, options: StudentAgentOptions): Agent {
  const { name, form, maxTokens, limits, temperature, topP, topK } = options;
  const files = createHash("sha256").update(JSON.stringify(student.manifest.files)).digest("hex");
  const identity = { student: student.id, dtype: student.manifest.dtype, files_sha256: files };
  return {
    ...{ name, model: null, form, maxTokens, limits },
    prices: { inputUsdPerMillion: 0, outputUsdPerMillion: 0 },
    request: (messages, seed) => ({
      ...identity,
      ...{ messages, temperature, top_p: topP, top_k: topK, max_tokens: maxTokens, seed },
    }),
    async send(request, signal) {
      const { messages, seed } = request as { readonly messages: Message[]; readonly seed: number }; // made above
      try {
        const sampling = { temperature, topP, topK, maxTokens, seed };
        const { samples, promptTokens } = await student.generate({ messages, ...sampling, signal }).result;
        const [{ text, finishReason, tokens }] = samples as [(typeof samples)[number]]; // one was asked for
        return {
          ...{ text, finish_reason: finishReason },
          ...{ prompt_tokens: promptTokens, completion_tokens: tokens },
        };
      } catch (error) {
        if (!(error instanceof MagdiError)) throw error;
        const after = error.code === "MAGDI_CONTEXT_LENGTH" ? "missing" : "stop";
        throw new AgentCallError(error.message, { after, cause: error });
      }
    },
    read(response) {
      const { text, finish_reason: finishReason } = generated.parse(response);
      return { text, refused: false, finishReason, model: student.id };
    },
    usage(response) {
      const read = generated.safeParse(response).data;
      return {
        promptTokens: read?.prompt_tokens ?? null,
        completionTokens: read?.completion_tokens ?? null,
      };
    },
    close: () => student.close(),
  };
}
