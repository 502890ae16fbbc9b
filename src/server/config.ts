// The server's settings: defaults < file < environment < flags, each checked, each failure one line that names the
// key. It knows what settings mean to nobody but the operator.
import { isIP } from "node:net";
import { z } from "zod";
import { MagdiError } from "../base/errors.ts";
import { listOf, numberThat, oneOf, onOff, settingFacts, text, wholeNumber } from "../base/settings/kinds.ts";
import {
  fromEnvironment,
  fromFile,
  fromFlags,
  readSettings,
  type SettingsSource,
} from "../base/settings/read-settings.ts";
import { settingsOf } from "../base/settings/setting.ts";
import { DEVICE_SETTINGS } from "../engine/engine-settings.ts";
import { DTYPES } from "../student/dtype.ts";
import { type ApiKey, parseKeyList } from "./access/api-keys.ts";

const milliseconds = () => wholeNumber(0, 86_400_000);

/** As a browser writes it: nothing after the host and port. */
const isOrigin = (item: string) => item === "*" || (URL.canParse(item) && new URL(item).origin === item);

/** As in a host header: a name or an address, with a port or without. */
const isHostName = (item: string) =>
  item === "*" || (/^[^\s/?#@]+$/.test(item) && URL.canParse(`http://${item}`));

function isNetwork(item: string): boolean {
  const [address = "", bits = "0", ...rest] = item.split("/");
  const most = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
  return rest.length === 0 && /^[0-9]{1,3}$/.test(bits) && Number(bits) <= most;
}

const amount = (of: string) => numberThat(`${of}, a number above 0`, (value) => value > 0);

const httpUrl = z
  .string({ error: () => "an http or https address" })
  .refine((given) => /^https?:$/.test(protocolOf(given)), { error: () => "an http or https address" });

function protocolOf(address: string): string {
  return URL.canParse(address) ? new URL(address).protocol : "";
}

/** Only the hashes stay; what was wrong is said without the text. */
const keyList = z
  .string({ error: () => "API keys as name:key,name:key" })
  .transform((given, context): readonly ApiKey[] => {
    try {
      return parseKeyList(given);
    } catch (error) {
      context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  })
  .register(settingFacts, { secret: true });

/** Keys are the file's; MAGDI_DRAIN_TIMEOUT_MS and --drain-timeout-ms are the same setting elsewhere. */
export const serverSettings = z.object({
  host: text("an address to listen on")
    .default("127.0.0.1")
    .describe("address to listen on; 0.0.0.0 in a container"),
  port: wholeNumber(0, 65_535).default(8080).describe("port to listen on; 0 takes a free one"),
  model: text("a student folder")
    .nullable()
    .default(null)
    .describe("student folder to serve; default: the shipped one"),
  dtype: oneOf(DTYPES)
    .nullable()
    .default(null)
    .describe(`weights to load (${DTYPES.join(", ")}); default: the smallest that suits the device`),
  device: oneOf(DEVICE_SETTINGS)
    .default("cpu")
    .describe(
      "where the model runs (cpu, webgpu, cuda); auto takes the first of cuda, webgpu and cpu that works",
    ),
  threads: wholeNumber(1, 1024)
    .nullable()
    .default(null)
    .describe(
      "threads of the model; default: one a processor that this process, and its container's quota, may use",
    ),
  // The runner has at least two rows, because a row alone may be computed otherwise than beside another.
  batchRows: wholeNumber(2, 1024).default(32).describe("samples that decode at the same time, at least 2"),
  contextLength: wholeNumber(16, 1_048_576)
    .nullable()
    .default(null)
    .describe(
      "tokens of prompt and answer together; default: the student's, at most 4096 and what memory allows",
    ),
  prefixCacheTokens: wholeNumber(0, 10_000_000)
    .nullable()
    .default(null)
    .describe(
      "prompt tokens kept computed, for prompts that begin the same; 0 keeps none; default: 2048, or what memory allows",
    ),
  memoryLimitMb: wholeNumber(1, 100_000_000)
    .nullable()
    .default(null)
    .describe(
      "memory to do with, in millions of bytes: on the CPU of the whole process, on a device of weights, keys and values there; default: what control groups and the machine leave",
    ),
  isolatePrefixes: onOff()
    .default(true)
    .describe(
      "what one API key's prompts left computed is never reused for another's; false shares it, and gives away what keys ask: by cached_tokens and by time, a key can guess another's prompts piece by piece",
    ),
  maxSamples: wholeNumber(1, 1024).default(32).describe("most samples of one request"),
  queueSamples: wholeNumber(1, 1_000_000)
    .default(256)
    .describe("samples that may wait; more are answered 429"),
  queueTimeoutMs: milliseconds()
    .default(60_000)
    .describe("longest wait before a request begins; 0: for the step that runs, and in no line"),
  requestTimeoutMs: wholeNumber(1, 86_400_000).default(600_000).describe("longest life of a request"),
  stallTimeoutMs: wholeNumber(100, 86_400_000)
    .default(30_000)
    .describe("a step of the model that takes longer makes the server unhealthy until it returns"),
  drainTimeoutMs: milliseconds()
    .default(30_000)
    .describe("time that running requests get to finish on SIGTERM"),
  bodyLimitBytes: wholeNumber(1024, 1_073_741_824).default(1_048_576).describe("largest request body"),
  streamBufferBytes: wholeNumber(1024, 1_073_741_824)
    .default(1_048_576)
    .describe("what a slow stream reader may leave unread"),
  webSocketRequests: wholeNumber(1, 1_000_000)
    .default(64)
    .describe("requests of one WebSocket at the same time; more are answered by an error"),
  webSocketPingMs: milliseconds()
    .default(30_000)
    .describe("time between pings of a WebSocket; who answers none is cut off; 0 sends none"),
  adaptiveThreshold: numberThat("a number above 0.5 and below 1", (share) => share > 0.5 && share < 1)
    .default(0.95)
    .describe("certainty at which adaptive early stopping stops"),
  baselines: text("a JSON file")
    .nullable()
    .default(null)
    .describe("JSON file that extends the debate baselines"),
  apiKeysFile: text("a file of API keys")
    .nullable()
    .default(null)
    .describe(
      'file of API keys: {"name": "key"} or lines of name:key, with a weight and rights where need be; only who has one may ask',
    ),
  apiKeys: keyList.nullable().default(null).describe("API keys as name:key,name:key, besides the file's"),
  requestsPerMinute: wholeNumber(0, 1_000_000)
    .default(0)
    .describe(
      "requests a minute of one API key, or of one address without keys: questions, completions, votes, texts to tokenise; 0 is no limit",
    ),
  corsOrigins: listOf("an origin such as https://example.org or *", isOrigin)
    .default([])
    .describe("origins whose pages may call the server, separated by commas; * is any"),
  allowedHosts: listOf("a host name such as magdi.example.org or *", isHostName)
    .default([])
    .describe(
      "further host names to answer under without API keys, separated by commas; * is any. Default: on a loopback address localhost alone, on others any",
    ),
  trustProxy: listOf("an address or network such as 10.0.0.0/8", isNetwork)
    .default([])
    .describe("proxies whose X-Forwarded-For is believed, separated by commas"),
  receiveTimeoutMs: wholeNumber(100, 86_400_000)
    .default(30_000)
    .describe("time that a request, or a message of a WebSocket, may take to arrive"),
  writeTimeoutMs: wholeNumber(100, 86_400_000)
    .default(60_000)
    .describe("time in which a client must read some of its answer; who reads nothing is cut off"),
  maxConnections: wholeNumber(1, 1_000_000)
    .default(4096)
    .describe(
      "open connections; then the longest idle is closed, or a further one answered 503; /health and /ready are always answered",
    ),
  maxWebSockets: wholeNumber(1, 1_000_000)
    .default(1024)
    .describe(
      "open WebSockets; then one that was idle for a minute is closed, or a further one answered 503",
    ),
  bodyBufferBytes: wholeNumber(1024, 1_099_511_627_776)
    .nullable()
    .default(null)
    .describe(
      "bytes of bodies of all requests under way, and of WebSocket messages that arrive; more are answered 503; default: a 64th of the memory, from 8 MB to 64 MiB",
    ),
  answerBufferBytes: wholeNumber(1024, 1_099_511_627_776)
    .nullable()
    .default(null)
    .describe(
      "bytes of all answers that clients have not read; beyond it who has not read for the longest is cut off; default: a 64th of the memory, from 8 MB to 64 MiB",
    ),
  clientShare: numberThat("a number above 0 and at most 1", (share) => share > 0 && share <= 1)
    .default(0.25)
    .describe(
      "share of connections, WebSockets and buffered bytes that one address (IPv6: /64) may take; more are answered 429. Addresses that proxies of trustProxy forward count, not the proxies'",
    ),
  agents: text("a JSON file of agents")
    .nullable()
    .default(null)
    .describe("JSON file of the agents that debate for POST /v1/debate, as magdi debate takes it"),
  debateRounds: wholeNumber(0, 100).default(3).describe("most rounds of a debate after round 0"),
  debateTimeoutMs: wholeNumber(1, 86_400_000)
    .default(120_000)
    .describe("longest time of a debate; then it is answered with what was said"),
  debateRetries: wholeNumber(0, 100)
    .default(1)
    .describe("further attempts of an agent's call that failed, where the agent's own limit is not smaller"),
  debatesAtOnce: wholeNumber(1, 10_000).default(4).describe("debates at the same time"),
  debateQueue: wholeNumber(0, 1_000_000)
    .default(16)
    .describe("debates that may wait, no longer than queueTimeoutMs; more are answered 429"),
  debateUsdPerDay: amount("dollars")
    .nullable()
    .default(null)
    .describe("dollars that debates of all callers may cost in a day (UTC); then they are answered 429"),
  debateTokensPerDay: wholeNumber(1)
    .nullable()
    .default(null)
    .describe("tokens of prompts and answers that debates of all callers may take in a day"),
  debateKeyUsdPerDay: amount("dollars")
    .nullable()
    .default(null)
    .describe("the same for each API key, or for one address without keys"),
  debateKeyTokensPerDay: wholeNumber(1)
    .nullable()
    .default(null)
    .describe("the same for each API key, or for one address without keys"),
  shadowShare: numberThat("a number from 0 to 1", (share) => share >= 0 && share <= 1)
    .default(0)
    .describe("share of answered questions that the agents debate too, in the background, to compare"),
  shadowUsdPerDay: amount("dollars")
    .nullable()
    .default(null)
    .describe(
      "dollars that debates in the background may cost in a day; it, or tokens, has to be set for them",
    ),
  shadowTokensPerDay: wholeNumber(1)
    .nullable()
    .default(null)
    .describe("tokens that debates in the background may take in a day"),
  shadowQueue: wholeNumber(1, 100_000)
    .default(64)
    .describe("questions that may wait for a debate in the background; more are dropped"),
  shadowOut: text("a file")
    .nullable()
    .default(null)
    .describe(
      "JSON Lines file that gets the transcripts of debates in the background, with questions and texts; default: none are kept",
    ),
  otlpEndpoint: httpUrl
    .nullable()
    .default(null)
    .describe(
      "OpenTelemetry collector for traces, as http://localhost:4318; also OTEL_EXPORTER_OTLP_ENDPOINT",
    ),
  logLevel: oneOf(["silent", "fatal", "error", "warn", "info", "debug", "trace"])
    .nullable()
    .default(null)
    .describe("log lines on stderr; default: warn on a terminal, else info"),
  logPrompts: onOff().default(false).describe("log what is asked, up to 2000 characters a request"),
});

export type ServerConfig = Readonly<z.output<typeof serverSettings>>;

/** Every setting with its names, in the order of the help. */
export const SERVER_SETTINGS = settingsOf(serverSettings);

export interface ConfigSources {
  /** Path of a JSON file of settings; null for none. */
  readonly file?: string | null;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Values of flags by flag name, as typed. */
  readonly flags?: Readonly<Record<string, unknown>>;
}

/** @throws MagdiError MAGDI_FILE_MISSING or MAGDI_BAD_CONFIG: one line with the key, what was expected and found */
export function loadConfig({ file, environment = {}, flags = {} }: ConfigSources = {}): ServerConfig {
  try {
    return readSettings(serverSettings, [
      collectorOf(environment),
      ...(file ? [fromFile(serverSettings, file, "--config")] : []),
      fromEnvironment(serverSettings, environment),
      fromFlags(serverSettings, flags),
    ]);
  } catch (error) {
    const address = /^MAGDI_PORT: .* found "tcp:/;
    if (!(error instanceof MagdiError && address.test(error.message))) throw error;
    throw new MagdiError(
      error.code,
      `${error.message} (Kubernetes sets this for a Service called magdi: set enableServiceLinks: false in the pod)`,
    );
  }
}

/** OpenTelemetry's own variable for a collector, which whatever is meant for this server alone overrules. */
function collectorOf({ OTEL_EXPORTER_OTLP_ENDPOINT: address }: NodeJS.ProcessEnv): SettingsSource {
  return { nameOf: () => "OTEL_EXPORTER_OTLP_ENDPOINT", values: address ? { otlpEndpoint: address } : {} };
}
