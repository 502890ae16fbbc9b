// A server as a child process, which ends with its parent.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The magdi command. */
export const MAGDI_SERVE: readonly string[] = ["bin/magdi.js", "serve"];

const MAX_KEPT_CHARS = 100_000;

export interface ServerProcessOptions {
  readonly environment?: NodeJS.ProcessEnv;
  /** Open an IPC channel. Default false. */
  readonly channel?: boolean;
  /** Keep it out of the terminal's process group, so that Ctrl-C reaches only the parent. Default false. */
  readonly detached?: boolean;
  /** How many files it may have open. Default: as this process. */
  readonly maxOpenFiles?: number;
}

export class ServerProcess {
  readonly child: ChildProcess;
  /** Its exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  stdout = "";
  /** The end of its output. */
  stderr = "";
  readonly #killWithUs = () => void this.child.kill("SIGKILL");

  /** `args` are node's, from the project's folder. */
  constructor(args: readonly string[], options: ServerProcessOptions = {}) {
    const { maxOpenFiles } = options;
    const [command, given] =
      maxOpenFiles === undefined
        ? [process.execPath, args]
        : ["/bin/sh", ["-c", `ulimit -n ${maxOpenFiles} && exec "$0" "$@"`, process.execPath, ...args]];
    this.child = spawn(command, given, {
      cwd: ROOT,
      env: { ...process.env, ...options.environment },
      stdio: ["ignore", "pipe", "pipe", ...(options.channel ? (["ipc"] as const) : [])],
      detached: options.detached ?? false,
    });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.stdout = (this.stdout + chunk.toString("utf8")).slice(-MAX_KEPT_CHARS);
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr = (this.stderr + chunk.toString("utf8")).slice(-MAX_KEPT_CHARS);
    });
    process.once("exit", this.#killWithUs);
    this.exited = once(this.child, "close").then(([code]: (number | null)[]) => {
      process.removeListener("exit", this.#killWithUs);
      return code ?? null;
    });
  }

  /** The address in the ready line; rejects if the process ends before. */
  ready(): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const url = / serves .* on (http:\S+?)[;,]?\s/.exec(this.stdout)?.[1];
        if (url !== undefined) resolve(url);
      };
      this.child.stdout?.on("data", look);
      look();
      void this.exited.then(() => reject(new Error(`the server ended before it was ready: ${this.stderr}`)));
    });
  }

  kill(signal: "SIGTERM" | "SIGINT" | "SIGKILL"): void {
    this.child.kill(signal);
  }
}
