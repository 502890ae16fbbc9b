// A child process in any language that takes one line of input at a time and answers with a line of JSON.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface, type Interface } from "node:readline";

/** Lines of stderr that are kept, for the error when it ends early. */
const KEPT_LINES = 20;

export class LineProcess {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #interface: Interface;
  readonly #errors: string[] = [];
  readonly #ended: Promise<void>;

  private constructor(command: readonly string[]) {
    const [program = "", ...rest] = command;
    this.#child = spawn(program, rest, { stdio: ["pipe", "pipe", "pipe"] });
    const { stdout, stderr, stdin } = this.#child;
    if (stdout === null || stderr === null) throw new Error(`${program}: expected a process with outputs`);
    // A failed start or an exit shows as the end of its output.
    stdin?.on("error", () => {});
    this.#child.on("error", (error) => this.#errors.push(error.message));
    this.#ended = new Promise((resolve) => this.#child.once("close", () => resolve()));
    createInterface({ input: stderr }).on("line", (line) => {
      this.#errors.push(line);
      if (this.#errors.length > KEPT_LINES) this.#errors.shift();
    });
    this.#interface = createInterface({ input: stdout });
    this.#lines = this.#interface[Symbol.asyncIterator]();
  }

  /** Resolves with the process's ready message.
   * @throws Error with its stderr if it ends before. */
  static async open(
    command: readonly string[],
  ): Promise<{ readonly process: LineProcess; readonly greeting: unknown }> {
    const process = new LineProcess(command);
    return { process, greeting: await process.#answer() };
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws Error with its stderr if it ends instead of answering. */
  ask(line: string): Promise<unknown> {
    this.#child.stdin?.write(`${line}\n`);
    return this.#answer();
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
    this.#interface.close();
  }

  /** The next line that is a JSON object; libraries write other lines. */
  async #answer(): Promise<unknown> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) {
        await this.#ended;
        const said = this.#errors.filter((line) => line.trim() !== "");
        const last = said.findLast((line) => /^\S*Error\b/.test(line)) ?? said.at(-1) ?? "without a word";
        throw new Error(`${this.#child.spawnargs.slice(0, 2).join(" ")} ended: ${last}`);
      }
      if (value.startsWith("{")) return JSON.parse(value);
    }
  }
}
