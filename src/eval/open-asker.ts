// Opens what --model names: a student folder, a magdi server, or another server with OpenAI's API.

import { MagdiApiError, MagdiConnectionError } from "../client/client-error.ts";
import { MagdiClient } from "../client/magdi-client.ts";
import type { Asker } from "./asker.ts";
import { openChatAsker } from "./chat-asker.ts";
import { type EngineAskerOptions, openEngineAsker } from "./engine-asker.ts";
import { clientOptions, openReasonAsker, type ServerOptions } from "./reason-asker.ts";
import type { EvalSettings } from "./settings.ts";

export interface ModelOptions extends Omit<EngineAskerOptions, "folder">, Omit<ServerOptions, "baseUrl"> {
  /** A student folder or an http address. */
  readonly model: string;
  readonly api: "auto" | "reason" | "chat";
}

export async function openAsker(options: ModelOptions, settings: EvalSettings): Promise<Asker> {
  const { model, api } = options;
  if (!/^https?:\/\//.test(model)) return openEngineAsker({ ...options, folder: model }, settings);
  const server: ServerOptions = { ...options, baseUrl: model };
  const ours = api === "auto" ? await isOurs(server) : api === "reason";
  return ours ? openReasonAsker(server, settings) : openChatAsker(server, settings);
}

/** Only magdi's servers know the path of the debate baselines. */
async function isOurs(server: ServerOptions): Promise<boolean> {
  try {
    const { data } = await new MagdiClient(clientOptions(server)).baselines();
    return Array.isArray(data);
  } catch (error) {
    // Other servers answer with an error status, or with something that is not JSON.
    if (error instanceof MagdiApiError && error.status !== 401) return false;
    if (error instanceof MagdiConnectionError && error.cause instanceof SyntaxError) return false;
    throw error;
  }
}
