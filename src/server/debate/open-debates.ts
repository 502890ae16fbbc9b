// Opens the debates of a server: its team under the settings' limits, for those who ask and in the background.
import type { FastifyBaseLogger } from "fastify";
import type { Clock } from "../../base/clock.ts";
import { MagdiError } from "../../base/errors.ts";
import { AppendLog } from "../../base/files/append-log.ts";
import type { ServerConfig } from "../config.ts";
import type { DebateMetrics } from "../observation/debate-metrics.ts";
import { DailyBudget } from "./daily-budget.ts";
import { DebateQueue } from "./debate-queue.ts";
import type { DebateTeam } from "./debate-team.ts";
import { Debates, type DebatesParts } from "./debates.ts";
import { Shadow } from "./shadow.ts";

export interface DebatesOptions {
  readonly team: DebateTeam;
  readonly config: ServerConfig;
  readonly metrics: DebateMetrics;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  wallMs(): number;
  readonly log: FastifyBaseLogger;
}

/** Debates in the background at once: few, since nobody waits for them. */
const SHADOWS_AT_ONCE = 2;
const NO_LIMITS = { tokens: null, usd: null };

export interface OpenedDebates {
  readonly debates: Debates;
  /** Null where no question is debated in the background. */
  readonly shadow: Shadow | null;
}

/** @throws MagdiError MAGDI_BAD_CONFIG for dollars to be kept to by agents without prices, and for shadowShare without a
 * bound; MAGDI_NOT_WRITTEN for shadowOut */
export function openDebates({ team, config, metrics, clock, wallMs, log }: DebatesOptions): OpenedDebates {
  assertPriced(team, config);
  assertBounded(config);
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
  const parts: DebatesParts = {
    ...{ team, queue, budget, metrics, clock, timeoutMs: config.debateTimeoutMs },
    onFailure: ({ agent, round, status, error }) =>
      log.warn(
        { agent, round, status, ...textOf(error, status, config.logPrompts) },
        "an agent failed in a debate",
      ),
    onError: (error) => log.error({ err: error }, "a debate failed"),
  };
  const shadow = config.shadowShare === 0 ? null : openShadow(parts, { config, metrics, clock, wallMs });
  return { debates: new Debates(parts), shadow };
}

function openShadow(
  parts: DebatesParts,
  { config, metrics, clock, wallMs }: Pick<DebatesOptions, "config" | "metrics" | "clock" | "wallMs">,
): Shadow {
  const { shadowShare: share, shadowOut: file, shadowQueue, debateRounds: rounds } = config;
  const queue = new DebateQueue({
    clock,
    atOnce: SHADOWS_AT_ONCE,
    waiting: shadowQueue,
    timeoutMs: Number.POSITIVE_INFINITY,
  });
  const limits = { tokens: config.shadowTokensPerDay, usd: config.shadowUsdPerDay };
  return new Shadow({
    debates: new Debates({ ...parts, queue }),
    ...{ metrics, share, rounds },
    bound: new DailyBudget(limits, NO_LIMITS, wallMs),
    log: file === null ? null : AppendLog.open(file, (lines) => lines.length),
  });
}

function assertBounded({ shadowShare, shadowUsdPerDay, shadowTokensPerDay }: ServerConfig): void {
  if (shadowShare === 0 || shadowUsdPerDay !== null || shadowTokensPerDay !== null) return;
  throw new MagdiError(
    "MAGDI_BAD_CONFIG",
    "shadowShare: expected shadowUsdPerDay or shadowTokensPerDay beside it, found neither",
  );
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
