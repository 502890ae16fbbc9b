// Keeps secrets and prompts out of the log: API keys always, prompts unless the operator sets logPrompts.
import type { FastifyBaseLogger, FastifyServerOptions } from "fastify";
import { MagdiError } from "../../base/errors.ts";

const MAX_PROMPT_CHARS = 2000;
const MAX_CAUSES = 5;
const SECRET_HEADERS = ["authorization", "x-api-key", "cookie", "set-cookie", "sec-websocket-protocol"];
const WITHHELD = "withheld because it may contain the prompt; set logPrompts to see it";

export interface Logging {
  readonly level: string;
  readonly stream: { write(line: string): void };
}

/** Fastify's logging options. */
export function loggingOptions(logging: Logging, logPrompts: boolean): FastifyServerOptions {
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

/** Logs a request's body, truncated. Call it only if `logPrompts` is set. */
export function logPrompt(log: FastifyBaseLogger, asked: unknown): void {
  const text = JSON.stringify(asked) ?? "";
  log.info({ asked: text.slice(0, MAX_PROMPT_CHARS), chars: text.length }, "asked");
}

/** Request loggers omit messages of errors from libraries, which may quote the request. */
const withholding: NonNullable<FastifyServerOptions["childLoggerFactory"]> = (logger, bindings, options) =>
  logger.child(bindings, { ...options, serializers: { ...options.serializers, err: withoutMessage } });

interface ShownError {
  readonly type: string;
  readonly code: unknown;
  readonly message: string;
  readonly stack: string;
  readonly cause?: ShownError;
}

/** An error's type and stack; its message only if it is one of ours or a system call's. */
function withoutMessage(error: unknown, depth = 0): ShownError | { type: string } {
  if (!(error instanceof Error)) return { type: typeof error };
  const known = error instanceof MagdiError || "syscall" in error;
  // The stack begins with the message, and a message may have lines that look like frames.
  const { message, stack = "" } = error;
  const frames = stack.slice(Math.max(0, stack.indexOf(message)) + message.length).split("\n");
  const cause =
    depth < MAX_CAUSES && error.cause instanceof Error ? withoutMessage(error.cause, depth + 1) : {};
  return {
    type: error.constructor.name,
    code: "code" in error ? error.code : undefined,
    message: known ? message : WITHHELD,
    stack: frames.filter((line) => /^ {4}at /.test(line)).join("\n"),
    ...("stack" in cause ? { cause } : {}),
  };
}
