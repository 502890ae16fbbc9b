// The app with the tiny student and a team of scripted agents behind real sockets.
import type { TestContext } from "node:test";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import type { AgentLimits, TokenPrices } from "../../../src/debate/agent.ts";
import { DebatePrompts } from "../../../src/debate/debate-prompts.ts";
import { LiveTeam } from "../../../src/debate/live-team.ts";
import { scriptedAgent } from "../../debate/support/held-debates.ts";
import {
  type Asked,
  type Reaction,
  type ScriptedAgents,
  says,
  scriptedAgents,
} from "../../debate/support/scripted-agents.ts";
import { type RunningApp, type RunningOptions, runTiny } from "./running-app.ts";
import type { TinyStudent } from "./tiny-student.ts";

export interface DebatingOptions extends Omit<RunningOptions, "team"> {
  readonly react?: (asked: Asked, nth: number) => Reaction;
  readonly names?: readonly string[];
  readonly limits?: Partial<AgentLimits>;
  readonly prices?: TokenPrices;
  readonly retries?: number;
  /** The agents' clock; by default the system's. */
  readonly teamClock?: Clock;
}

export interface Debating {
  readonly server: RunningApp;
  readonly student: TinyStudent;
  readonly agents: ScriptedAgents;
}

const PROMPTS = DebatePrompts.load(null);

/** The app, whose agents answer 4 unless told otherwise. */
export async function runDebating(t: TestContext, options: DebatingOptions = {}): Promise<Debating> {
  const { react = () => ({ says: says(4) }), names = ["a", "b", "c"], limits, retries = 1 } = options;
  const agents = await scriptedAgents(react);
  t.after(() => agents.close());
  const team = new LiveTeam(
    names.map((name) => {
      const agent = scriptedAgent(name, agents.baseUrl, limits);
      return { ...agent, prices: options.prices ?? agent.prices };
    }),
    {
      ...{ prompts: PROMPTS, retries, clock: options.teamClock ?? systemClock },
      wallMs: () => 0,
      jitter: () => 0,
    },
  );
  const { server, student } = await runTiny(t, { ...options, team });
  return { server, student, agents };
}
