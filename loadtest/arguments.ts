// The command line of a load test and its limits.
import { parseArgs } from "node:util";
import { MagdiError } from "../src/base/errors.ts";
import { loopbackUrl } from "./clients/target.ts";
import { SCENARIOS } from "./scenarios/index.ts";
import type { Amounts, Scenario } from "./scenarios/scenario.ts";

const MAX_CONNECTIONS = 512;
const MAX_REQUESTS = 100_000;
const MAX_SECONDS = 7200;

export const HELP = `Usage: npm run loadtest -- --scenario NAME [flags] [-- flags of the server]

Loads a magdi server on this machine and says how it fared: a table, and with --json a file. Without --url it starts a
server of its own (node bin/magdi.js serve) on a free port and ends it afterwards.

${SCENARIOS.map(({ name, summary }) => `  ${name.padEnd(18)} ${summary}`).join("\n")}

  --scenario NAME    one of the above
  --url URL          load a running server, such as http://127.0.0.1:8080; it must have no other clients
  --seconds N        duration of the load, instead of --requests (up to ${MAX_SECONDS})
  --requests N       number of requests (up to ${MAX_REQUESTS})
  --connections N    concurrent requests (up to ${MAX_CONNECTIONS})
  --seed N           seed of the requests (default 1)
  --api-key KEY      the API key to send; a server started by the load test gets it too
  --json FILE        write the report as JSON
  --targets          also exit with 1 if a time or ratio misses its target, which only an idle machine reaches
  --help             this text

Exits with 0 if all exact checks pass, 1 if not, 130 after Ctrl-C (with the table so far).
`;

export interface Arguments {
  readonly scenario: Scenario;
  /** Null to start a server. */
  readonly url: string | null;
  readonly amounts: Amounts;
  readonly seed: number;
  readonly apiKey: string | null;
  readonly json: string | null;
  readonly enforceTargets: boolean;
  readonly serverFlags: readonly string[];
}

/**
 * Null for --help.
 *
 * @throws MagdiError MAGDI_BAD_CONFIG: what was expected and found, in one line
 */
export function parseArguments(argv: readonly string[]): Arguments | null {
  const { values, positionals, serverFlags } = parsed(argv);
  if (values.help) return null;
  if (positionals.length > 0) throw bad(`expected flags only, found ${positionals[0]}`);
  const names = SCENARIOS.map(({ name }) => name).join(", ");
  const scenario = SCENARIOS.find(({ name }) => name === values.scenario);
  if (scenario === undefined) {
    throw bad(`--scenario: expected one of ${names}; found ${values.scenario ?? "none"}`);
  }
  const url = values.url === undefined ? null : loopbackUrl(values.url);
  if (url !== null && scenario.ownServer) {
    throw bad(
      `--url: ${scenario.name} must choose the server's settings or send it signals, so it starts its own; leave --url out`,
    );
  }
  if (url !== null && serverFlags.length > 0) {
    throw bad("flags after -- are for the server that the load test starts; with --url it starts none");
  }
  const { defaults } = scenario;
  const seconds = number("seconds", values.seconds, MAX_SECONDS);
  const requests = number("requests", values.requests, MAX_REQUESTS);
  if (seconds !== null && requests !== null) throw bad("expected --seconds or --requests, found both");
  if (seconds !== null && !scenario.timed) {
    throw bad(`--seconds: ${scenario.name} is counted in requests; say --requests`);
  }
  return {
    scenario,
    url,
    amounts: {
      connections: number("connections", values.connections, MAX_CONNECTIONS) ?? defaults.connections,
      requests: requests ?? defaults.requests,
      seconds: requests === null ? (seconds ?? defaults.seconds) : null,
    },
    seed: number("seed", values.seed, Number.MAX_SAFE_INTEGER) ?? 1,
    apiKey: values["api-key"] ?? null,
    json: values.json ?? null,
    enforceTargets: values.targets,
    serverFlags,
  };
}

function parsed(argv: readonly string[]) {
  const end = argv.indexOf("--");
  const own = end < 0 ? argv : argv.slice(0, end);
  try {
    const { values, positionals } = parseArgs({
      args: [...own],
      strict: true,
      allowPositionals: true,
      options: {
        scenario: { type: "string" },
        url: { type: "string" },
        seconds: { type: "string" },
        requests: { type: "string" },
        connections: { type: "string" },
        seed: { type: "string" },
        "api-key": { type: "string" },
        json: { type: "string" },
        targets: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    return { values, positionals, serverFlags: end < 0 ? [] : argv.slice(end + 1) };
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw bad(`${cause.message.split(/\.(?:\s|$)/)[0]}; see --help`);
  }
}

function number(flag: string, text: string | undefined, max: number): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (/^[0-9]+$/.test(text) && value >= 1 && value <= max) return value;
  throw bad(`--${flag}: expected a whole number from 1 to ${max}, found ${text}`);
}

function bad(message: string): MagdiError {
  return new MagdiError("MAGDI_BAD_CONFIG", message);
}
