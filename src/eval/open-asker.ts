// Whoever --model names: a student folder, a server of ours, or another that speaks OpenAI's API.

import { MagdiApiError, MagdiConnectionError } from "../client/client-error.ts";
import { MagdiClient } from "../client/magdi-client.ts";
import type { DeviceSetting } from "../engine/engine-settings.ts";
import type { Dtype } from "../student/dtype.ts";
import type { Asker } from "./asker.ts";
import { openChatAsker } from "./chat-asker.ts";
import { openEngineAsker } from "./engine-asker.ts";
import { clientOptions, openReasonAsker, type ServerOptions } from "./reason-asker.ts";
import type { EvalSettings } from "./settings.ts";

export interface ModelOptions {
  /** A student folder or an http address. */
  readonly model: string;
  readonly device: DeviceSetting;
  readonly dtype: Dtype | null;
  readonly threads: number | null;
  readonly batchRows: number;
  readonly contextLength: number | null;
  readonly api: "auto" | "reason" | "chat";
  readonly modelName: string | null;
  readonly apiKey: string | null;
  readonly concurrency: number | null;
}

export async function openAsker(options: ModelOptions, settings: EvalSettings): Promise<Asker> {
  const { model, api, modelName, apiKey, concurrency } = options;
  if (!/^https?:\/\//.test(model)) return openEngineAsker({ ...options, folder: model }, settings);
  const server: ServerOptions = { baseUrl: model, modelName, apiKey, concurrency };
  const ours = api === "auto" ? await isOurs(server) : api === "reason";
  return ours ? openReasonAsker(server, settings) : openChatAsker(server, settings);
}

/** A server of ours tells what debates cost; others do not know the path. */
async function isOurs(server: ServerOptions): Promise<boolean> {
  try {
    const { data } = await new MagdiClient(clientOptions(server)).baselines();
    return Array.isArray(data);
  } catch (error) {
    // Other servers answer with a status, or with something that is no JSON.
    if (error instanceof MagdiApiError && error.status !== 401) return false;
    if (error instanceof MagdiConnectionError && error.cause instanceof SyntaxError) return false;
    throw error;
  }
}
