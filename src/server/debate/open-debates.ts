// Opens the debates of a server: its team under the settings' limits.
import type { FastifyBaseLogger } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { MagdiError } from "../../base/errors.ts";
import type { ServerConfig } from "../config.ts";
import type { DebateMetrics } from "../observation/debate-metrics.ts";
import { DailyBudget } from "./daily-budget.ts";
import { DebateQueue } from "./debate-queue.ts";
import type { DebateTeam, HeldMissing } from "./debate-team.ts";
import { Debates } from "./debates.ts";

export interface DebatesOptions {
  readonly team: DebateTeam;
  readonly config: ServerConfig;
  readonly metrics: DebateMetrics;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  wallMs(): number;
  readonly log: FastifyBaseLogger;
}

/** @throws MagdiError MAGDI_BAD_CONFIG for dollars to be kept to by agents without prices */
export function openDebates({ team, config, metrics, clock, wallMs, log }: DebatesOptions): Debates {
  assertPriced(team, config);
  const queue = new DebateQueue({
    clock,
    atOnce: config.debatesAtOnce,
    waiting: config.debateQueue,
    timeoutMs: config.queueTimeoutMs,
  });
  metrics.readQueue(queue);
  const budget = new DailyBudget(
    { tokens: config.debateTokensPerDay, usd: config.debateUsdPerDay },
    { tokens: config.debateKeyTokensPerDay, usd: config.debateKeyUsdPerDay },
    wallMs,
  );
  const onFailure = ({ agent, round, status, error }: HeldMissing) =>
    log.warn(
      { agent, round, status, ...textOf(error, status, config.logPrompts) },
      "an agent failed in a debate",
    );
  const onError = (error: unknown) => log.error({ err: error }, "a debate failed");
  return new Debates({
    team,
    queue,
    budget,
    metrics,
    clock,
    timeoutMs: config.debateTimeoutMs,
    onFailure,
    onError,
  });
}

/** An endpoint's own words may quote the question, or be the answer. */
function textOf(error: string, status: number | null, withTexts: boolean): { readonly error?: string } {
  if (withTexts) return { error: error.slice(0, 500) };
  return status === null
    ? { error: error.replace(/found other text.*/s, "found other text").slice(0, 500) }
    : {};
}

function assertPriced({ agents }: DebateTeam, config: ServerConfig): void {
  const unknown = agents.find(
    (agent) => agent.usdPerMillionInput === null || agent.usdPerMillionOutput === null,
  );
  const limit = (["debateUsdPerDay", "debateKeyUsdPerDay", "shadowUsdPerDay"] as const).find(
    (name) => config[name] !== null,
  );
  if (unknown === undefined || limit === undefined) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    `${limit}: expected usd_per_million_input and usd_per_million_output of agent ${unknown.name}, found none; give its prices, or limit tokens instead`,
  );
}
