// Ends the process with grace: what runs is finished, for a limited time, when a signal or an error says so. It knows no
// server, and signals only by name.
import closeWithGrace from "close-with-grace";

export interface ShutdownOptions {
  /** Called once; the process exits with 0 when it resolves, and with 1 when it rejects or `error` is given. */
  readonly close: (cause: { readonly signal: string | null; readonly error: Error | null }) => Promise<void>;
  /** The process ends anyway after this time. */
  readonly timeoutMs: number;
  readonly logError: (message: unknown) => void;
}

/** From now on an error that nobody caught closes; the function that comes back does so for a signal. */
export function closeGracefully(options: ShutdownOptions): (signal: string) => void {
  let signal: string | null = null;
  const grace = closeWithGrace(
    {
      delay: options.timeoutMs,
      logger: { error: options.logError },
      skip: ["SIGINT", "SIGTERM", "beforeExit"],
    },
    async ({ err, signal: other }) => {
      await options.close({ signal: signal ?? other ?? null, error: err ?? null });
    },
  );
  return (name) => {
    signal = name;
    grace.close();
  };
}
