// What may not stand in a log: keys never, and what users ask only where the operator has said so. It knows no routes.
import type { FastifyBaseLogger, FastifyServerOptions } from "fastify";
import { MagdiError } from "../../base/errors.ts";

const MAX_PROMPT_CHARS = 2000;
const MAX_CAUSES = 5;
const SECRET_HEADERS = ["authorization", "x-api-key", "cookie", "set-cookie", "sec-websocket-protocol"];
const WITHHELD = "withheld, since it may repeat what was asked; logPrompts shows it";

export interface Logging {
  readonly level: string;
  readonly stream: { write(line: string): void };
}

/** Fastify's logging options. */
export function privateLogging(logging: Logging, logPrompts: boolean): FastifyServerOptions {
  const paths = SECRET_HEADERS.flatMap((name) => [
    `["${name}"]`,
    `headers["${name}"]`,
    `*.headers["${name}"]`,
  ]);
  return {
    logger: { ...logging, redact: { paths, censor: "[redacted]" } },
    ...(logPrompts ? {} : { childLoggerFactory: withholding }),
  };
}

/** Logs what was asked, cut to a bound; to be called only where `logPrompts` is set. */
export function logPrompt(log: FastifyBaseLogger, asked: unknown): void {
  const text = JSON.stringify(asked) ?? "";
  log.info({ asked: text.slice(0, MAX_PROMPT_CHARS), chars: text.length }, "asked");
}

/** Loggers of requests write errors without the words that a library may have taken from the request. */
const withholding: NonNullable<FastifyServerOptions["childLoggerFactory"]> = (logger, bindings, options) =>
  logger.child(bindings, { ...options, serializers: { ...options.serializers, err: withoutWords } });

interface ShownError {
  readonly type: string;
  readonly code: unknown;
  readonly message: string;
  readonly stack: string;
  readonly cause?: ShownError;
}

/** An error's kind and where it came from; its message if it is our own or the system's. */
function withoutWords(error: unknown, depth = 0): ShownError | { type: string } {
  if (!(error instanceof Error)) return { type: typeof error };
  const known = error instanceof MagdiError || "syscall" in error;
  // A stack begins with the message, which may have lines that look like frames.
  const { message, stack = "" } = error;
  const frames = stack.slice(Math.max(0, stack.indexOf(message)) + message.length).split("\n");
  const cause =
    depth < MAX_CAUSES && error.cause instanceof Error ? withoutWords(error.cause, depth + 1) : {};
  return {
    type: error.constructor.name,
    code: "code" in error ? error.code : undefined,
    message: known ? message : WITHHELD,
    stack: frames.filter((line) => /^ {4}at /.test(line)).join("\n"),
    ...("stack" in cause ? { cause } : {}),
  };
}
