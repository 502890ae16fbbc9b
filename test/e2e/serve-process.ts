// A server as a child process: started, listened to, signalled, and gone when the test ends.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export const TINY = ["--import", "tsx", "test/e2e/tiny-serve.ts"];

export class ServeProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  stdout = "";
  stderr = "";

  constructor(t: TestContext, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child.stdout?.on("data", (chunk: Buffer) => {
      this.stdout += chunk.toString("utf8");
    });
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.stderr += chunk.toString("utf8");
    });
    this.exited = once(this.child, "close").then(([code]: (number | null)[]) => code ?? null);
    t.after(async () => {
      this.child.kill("SIGKILL");
      await this.exited;
    });
  }

  /** The address in the ready line; rejects when the process ends before it. */
  async ready(): Promise<string> {
    const { stdout } = this.child;
    if (stdout === null) throw new Error("the child has no stdout");
    for await (const line of createInterface({ input: stdout })) {
      const url = / serves .* on (http:\S+)/.exec(line)?.[1];
      if (url !== undefined) return url.replace(/[;,]$/, "");
    }
    throw new Error(`the server ended before it was ready: ${this.stderr}`);
  }
}

export function post(url: string, path: string, body: object): Promise<Response> {
  return fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
