// Ends the process with grace: the first signal drains, a second one ends at once. It knows no server.
import closeWithGrace from "close-with-grace";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** npm passes on a Ctrl-C that the terminal has already sent to us: one key press, two signals. */
const SAME_SIGNAL_MS = 50;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export interface ShutdownOptions {
  /** Called once; the process exits with 0 when it resolves, and with 1 when it rejects or `error` is given. */
  readonly close: (cause: { readonly signal: string | null; readonly error: Error | null }) => Promise<void>;
  /** The process ends anyway after this time. */
  readonly timeoutMs: number;
  readonly logError: (message: unknown) => void;
}

export function shutDownGracefully(options: ShutdownOptions): void {
  let firstSignal: { readonly name: string; readonly atMs: number } | null = null;
  const grace = closeWithGrace(
    {
      delay: options.timeoutMs,
      logger: { error: options.logError },
      skip: [...SIGNALS, "beforeExit"],
    },
    async ({ err, signal }) => {
      await options.close({ signal: firstSignal?.name ?? signal ?? null, error: err ?? null });
    },
  );
  for (const name of SIGNALS) {
    process.on(name, () => {
      const nowMs = performance.now();
      if (firstSignal === null) {
        firstSignal = { name, atMs: nowMs };
        grace.close();
      } else if (name !== firstSignal.name || nowMs - firstSignal.atMs > SAME_SIGNAL_MS) {
        process.exit(EXIT_CODES[name]);
      }
    });
  }
}
