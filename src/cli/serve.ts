// magdi serve: listens, loads the student, announces when it is ready, and drains on a signal.

import type { AddressInfo } from "node:net";
import { systemClock } from "../base/clock.ts";
import { defaultStudent } from "../base/package-files.ts";
import { text } from "../base/settings/kinds.ts";
import { helpLines } from "../base/settings/setting.ts";
import { describePlan } from "../engine/memory-plan.ts";
import { buildApp } from "../server/app.ts";
import { loadConfig, type ServerConfig, serverSettings } from "../server/config.ts";
import type { DebateTeam } from "../server/debate/debate-team.ts";
import { Metrics } from "../server/observation/metrics.ts";
import type { Tracing } from "../server/observation/request-trace.ts";
import { closeGracefully } from "../server/operations/graceful-shutdown.ts";
import type { OpenStudent, ServedStudent } from "../server/served-student.ts";
import { loadBaselines } from "../voting/baselines.ts";
import { type Command, parseFlags } from "./command.ts";
import { studentFolder } from "./run-folder.ts";
import { StopSignals } from "./signals.ts";

/** Time for drain and close beyond the drain timeout before the process is ended: two seconds each for clients that do
 * not read, three for the last spans, and one engine step. */
const DRAIN_GRACE_MS = 10_000;
/** Time to send the errors of all requests after the device has failed. */
const FAILURE_DRAIN_MS = 2000;

const FLAGS = serverSettings.extend({
  config: text("a file").exactOptional().describe("JSON file of settings, with keys such as drainTimeoutMs"),
});

const HELP = `Usage: magdi serve [--config FILE] [flags]

Serves a student over HTTP: POST /v1/reason, OpenAI's /v1/chat/completions and /v1/completions, /v1/models,
/health, /ready and /metrics, and with --agents POST /v1/debate. Each setting is a flag, a variable MAGDI_… or a key
of the JSON file; flags take precedence over variables, and variables over the file.

${helpLines(FLAGS, "VALUE")}
`;

export function createServeCommand(openStudent: OpenStudent): Command {
  return {
    name: "serve",
    summary: "serve a student over HTTP",
    help: HELP,
    async run(argv) {
      const { values, typed } = parseFlags("serve", argv, FLAGS);
      const config = loadConfig({ file: values.config ?? null, environment: process.env, flags: typed });
      return serve(config, openStudent);
    },
  };
}

function failed(message: string): number {
  process.stderr.write(`magdi serve: ${message.replaceAll("\n", " ")}\n`);
  return 1;
}

async function serve(config: ServerConfig, openStudent: OpenStudent): Promise<number> {
  const metrics = new Metrics();
  const baselines = loadBaselines(config.baselines);
  const folder = config.model === null ? defaultStudent() : await studentFolder(config.model);
  let resolveStudent: (student: ServedStudent) => void = () => {};
  const student = new Promise<ServedStudent>((resolve) => {
    resolveStudent = resolve;
  });
  const level = config.logLevel ?? (process.stderr.isTTY ? "warn" : "info");
  const team = await teamOf(config);
  const tracing = await tracingOf(config, (message, error) => app.log.warn({ err: error }, message));
  const logging = { level, stream: process.stderr };
  const app = buildApp({
    student,
    config,
    metrics,
    baselines,
    logging,
    onEngineFailed: () => void endOnLostDevice(),
    ...(tracing === null ? {} : { tracing }),
    ...(team === null ? {} : { team }),
  });

  // A device that was lost or ran out of memory needs a new process, which a supervisor starts.
  let onDevice = false;
  let stop: (exitCode: number) => void = () => {};
  const endOnLostDevice = async (): Promise<void> => {
    if (!onDevice) return;
    say("the device failed: exiting, so that a supervisor can restart the server");
    await app.drain(FAILURE_DRAIN_MS);
    await app.close();
    stop(1);
  };

  // Listen first: probes are answered while the student loads, and a port in use is noticed early.
  const stopped = new Promise<number>((resolve) => {
    stop = resolve;
    const closeFor = closeGracefully({
      timeoutMs: config.drainTimeoutMs + DRAIN_GRACE_MS,
      logError: (error) => app.log.error({ err: error }, "shutdown"),
      async close({ signal, error }) {
        if (error !== null) app.log.fatal({ err: error }, "unexpected failure: shutting down");
        else
          say(
            `${signal}: finishing the running requests (${app.lifecycle.active}); a second signal exits at once`,
          );
        await app.drain(error === null ? config.drainTimeoutMs : 0);
        await app.close();
        resolve(error === null ? 0 : 1);
      },
    });
    new StopSignals(closeFor);
  });
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (cause) {
    await app.close();
    return failed(listenFailure(cause, config));
  }
  if (app.apiKeys === null && !isLoopback(config.host)) {
    app.log.warn(
      { host: config.host },
      "no API keys are set: anyone who can reach this address can send requests; set MAGDI_API_KEYS_FILE or MAGDI_API_KEYS",
    );
  }
  try {
    const opened = await openStudent(folder, { config, onStep: metrics.observeStep });
    onDevice = (opened.manifest.device ?? "cpu") !== "cpu";
    resolveStudent(opened);
    // A listening TCP server's address is an object.
    const { port } = app.server.address() as AddressInfo;
    if (opened.deviceChoice !== undefined) {
      const { device, dtype, kernels } = opened.manifest;
      app.log.info({ device, dtype, kernels }, opened.deviceChoice);
      if (config.device === "auto") say(`${opened.id} ${opened.deviceChoice}`);
    }
    if (opened.memory !== undefined) {
      const { rowBudget } = opened.memory;
      app.log.info({ memory: opened.memory }, `memory: ${describePlan(opened.memory)}`);
      if (rowBudget !== null) say(`memory: ${describePlan(opened.memory)}`);
    }
    announce(opened, config.host, port, app.apiKeys !== null);
  } catch (error) {
    await app.close();
    throw error;
  }
  return stopped;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** The libraries take most of a second to load, so only if a collector is set. */
async function tracingOf(
  { otlpEndpoint }: ServerConfig,
  onExportProblem: (message: string, error: Error | null) => void,
): Promise<Tracing | null> {
  if (otlpEndpoint === null) return null;
  const { openTracing } = await import("../server/observation/tracing.ts");
  return openTracing({ endpoint: otlpEndpoint, clock: systemClock, onExportProblem });
}

/** @throws MagdiError MAGDI_FILE_MISSING, MAGDI_BAD_FILE, MAGDI_BAD_CONFIG */
async function teamOf({ agents, debateRetries: retries }: ServerConfig): Promise<DebateTeam | null> {
  if (agents === null) return null;
  const [{ readAgents }, { DebatePrompts }, { openLiveTeam }] = await Promise.all([
    import("../debate/agents-file.ts"),
    import("../debate/debate-prompts.ts"),
    import("../debate/live-team.ts"),
  ]);
  return openLiveTeam(readAgents(agents), process.env, {
    prompts: DebatePrompts.load(null),
    ...{ retries, clock: systemClock, wallMs: Date.now, jitter: Math.random },
  });
}

function announce(student: ServedStudent, host: string, port: number, withKeys: boolean): void {
  const shown = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host.includes(":") ? `[${host}]` : host;
  const url = `http://${shown}:${port}`;
  const body = JSON.stringify({
    question: "Tom has 3 apples and buys 4 more. How many apples has he now?",
    samples: 5,
  });
  say(`magdi serves ${student.id} on ${url}; try:`);
  const key = withKeys ? ` -H "authorization: Bearer $KEY"` : "";
  say(`curl -s ${url}/v1/reason${key} -H 'content-type: application/json' -d '${body}'`);
}

/** To stdout, for people; log lines go to stderr. */
function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function listenFailure(cause: unknown, { host, port }: ServerConfig): string {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return `port ${port} on ${host} is in use; choose another with --port (0 picks a free one)`;
    case "EACCES":
      return `port ${port} on ${host} needs more privileges; choose one above 1023 with --port`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `--host ${host}: expected an address of this machine`;
    default:
      return `cannot listen on ${host} port ${port}: ${cause instanceof Error ? cause.message : String(cause)}`;
  }
}
