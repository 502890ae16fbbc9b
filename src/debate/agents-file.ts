// The file of a debate's agents: who takes part, where each is asked, and at what price.

import { z } from "zod";
import { DEFAULT_TOP_K, DEFAULT_TOP_P } from "../asking/sampling.ts";
import { MagdiError } from "../base/errors.ts";
import { checked, readJson } from "../base/files/json-file.ts";
import { DEVICE_SETTINGS } from "../engine/engine-settings.ts";
import { DTYPES } from "../student/dtype.ts";
import type { Agent, AgentLimits } from "./agent.ts";
import { endpointAgent } from "./endpoint-agent.ts";
import { openStudentAgent } from "./student-agent.ts";

const common = {
  /** Its name in transcripts and graphs. */
  name: z
    .string()
    .regex(/^[\w.-]{1,64}$/, "expected letters, digits, dots, hyphens and underscores, at most 64"),
  max_tokens: z.int().min(1).default(1024),
  format: z.enum(["json", "text"]).optional(),
  concurrency: z.int().min(1).max(1024).optional(),
  requests_per_minute: z.number().positive().nullable().default(null),
  timeout_s: z.number().positive().max(86_400).default(300),
  retries: z.int().min(0).max(100).default(5),
};
const temperature = z.number().min(0).max(2);
const topP = z.number().gt(0).max(1);
const price = z.number().min(0).nullable().default(null);

/** These are the debate's own, or would give another kind of answer. */
const OWN_FIELDS = ["model", "messages", "stream", "n", "seed", "max_tokens", "max_completion_tokens"];

const endpoint = z.strictObject({
  ...common,
  base_url: z.url({ protocol: /^https?$/, error: "expected an address such as https://api.example.com/v1" }),
  model: z.string().min(1),
  /** The environment variable that holds the key. */
  key_variable: z.string().min(1).nullable().default(null),
  temperature: temperature.nullable().default(null),
  top_p: topP.nullable().default(null),
  max_tokens_field: z.enum(["max_tokens", "max_completion_tokens"]).default("max_tokens"),
  seed: z.boolean().default(true),
  structured_output: z.boolean().default(false),
  usd_per_million_input: price,
  usd_per_million_output: price,
  extra: z
    .record(z.string(), z.unknown())
    .refine((fields) => !OWN_FIELDS.some((name) => Object.hasOwn(fields, name)), {
      error: `expected none of ${OWN_FIELDS.join(", ")}`,
    })
    .default({}),
});

const student = z.strictObject({
  ...common,
  /** Its folder. */
  student: z.string().min(1),
  device: z.enum(DEVICE_SETTINGS).default("cpu"),
  dtype: z.enum(DTYPES).nullable().default(null),
  threads: z.int().min(1).nullable().default(null),
  context_length: z.int().min(16).nullable().default(null),
  temperature: temperature.default(0.7),
  top_p: topP.default(DEFAULT_TOP_P),
  top_k: z.int().min(0).default(DEFAULT_TOP_K),
});

const agentsFile = z.strictObject({ agents: z.array(z.unknown()).min(2) });

export type AgentSpec = z.output<typeof endpoint> | z.output<typeof student>;

/** @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE naming every wrong field */
export function readAgents(file: string): AgentSpec[] {
  const { agents } = checked(agentsFile, readJson(file, "a JSON file of agents"), file);
  const specs = agents.map((agent, index) => {
    const where = `${file}: agents.${index}`;
    const isStudent = typeof agent === "object" && agent !== null && "student" in agent;
    return isStudent ? checked(student, agent, where) : checked(endpoint, agent, where);
  });
  const names = specs.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return specs;
  throw new MagdiError("MAGDI_BAD_FILE", `${file}: name: expected each agent's own, found ${twice} twice`);
}

/**
 * `environment` holds the keys. When one cannot be opened, those before are closed again.
 * @throws MagdiError MAGDI_BAD_CONFIG for a missing key, and what a student's folder gives
 */
export async function openAgents(
  specs: readonly AgentSpec[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Agent[]> {
  const opened: Agent[] = [];
  try {
    for (const spec of specs) opened.push(await openAgent(spec, environment));
    return opened;
  } catch (error) {
    await Promise.all(opened.map((agent) => agent.close()));
    throw error;
  }
}

async function openAgent(
  spec: AgentSpec,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Agent> {
  if ("student" in spec) {
    const { name, student: folder, device, dtype, threads } = spec;
    return openStudentAgent({
      ...{ name, folder, device, dtype, threads },
      contextLength: spec.context_length,
      temperature: spec.temperature,
      topP: spec.top_p,
      topK: spec.top_k,
      maxTokens: spec.max_tokens,
      form: spec.format ?? "text", // what students learn
      limits: limitsOf(spec, 8),
    });
  }
  return endpointAgent({
    name: spec.name,
    baseUrl: spec.base_url,
    model: spec.model,
    apiKey: keyOf(spec, environment),
    temperature: spec.temperature,
    topP: spec.top_p,
    maxTokens: spec.max_tokens,
    maxTokensField: spec.max_tokens_field,
    sendsSeed: spec.seed,
    form: spec.format ?? "json",
    structuredOutput: spec.structured_output,
    extra: spec.extra,
    prices: {
      inputUsdPerMillion: spec.usd_per_million_input,
      outputUsdPerMillion: spec.usd_per_million_output,
    },
    limits: limitsOf(spec, 4),
  });
}

function keyOf(
  { name, key_variable: variable }: z.output<typeof endpoint>,
  environment: Readonly<Record<string, string | undefined>>,
): string | null {
  if (variable === null) return null;
  const key = environment[variable]?.trim() ?? "";
  if (key !== "") return key;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `agent ${name}: expected its key in the variable ${variable}, found none`,
  );
}

function limitsOf(spec: AgentSpec, concurrency: number): AgentLimits {
  return {
    concurrency: spec.concurrency ?? concurrency,
    requestsPerMinute: spec.requests_per_minute,
    timeoutMs: spec.timeout_s * 1000,
    retries: spec.retries,
  };
}
