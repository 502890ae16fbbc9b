// Runs a subject in its own process, so that subjects share no memory or threads: the parent starts it and sends
// workloads, the child is this file run as a program.
import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { OpenSubject, SubjectOptions, Workload, WorkloadTime } from "./workload.ts";

type Call =
  | { readonly kind: "open"; readonly module: string; readonly options: SubjectOptions }
  | { readonly kind: "run"; readonly workload: Workload }
  | { readonly kind: "memory" }
  | { readonly kind: "close" };

type Reply = { readonly value: unknown } | { readonly error: string };

export class SubjectProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** `module` is a file of subjects/. Resolves with the time from spawning to being ready. */
  static async open(
    module: string,
    options: SubjectOptions,
    environment: NodeJS.ProcessEnv = {},
  ): Promise<{ readonly subject: SubjectProcess; readonly readyMs: number }> {
    const startMs = performance.now();
    const child = fork(fileURLToPath(import.meta.url), ["subject"], {
      execArgv: ["--import", "tsx"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      env: { ...process.env, ...environment },
    });
    const subject = new SubjectProcess(child);
    try {
      await subject.#call({ kind: "open", module, options });
    } catch (error) {
      child.kill();
      throw error;
    }
    return { subject, readyMs: performance.now() - startMs };
  }

  async run(workload: Workload): Promise<WorkloadTime> {
    return (await this.#call({ kind: "run", workload })) as WorkloadTime; // what the child's half answers
  }

  /** Resident bytes of the process, of its children too. */
  async residentBytes(): Promise<number> {
    return (await this.#call({ kind: "memory" })) as number; // what the child's half answers
  }

  async close(): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once("exit", resolve));
    await this.#call({ kind: "close" });
    this.#child.disconnect();
    await exited;
  }

  #call(call: Call): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const exited = (code: number | null) => reject(new Error(`the subject ended with code ${code}`));
      this.#child.once("exit", exited);
      this.#child.once("message", (reply: Reply) => {
        this.#child.off("exit", exited);
        if ("error" in reply) reject(new Error(reply.error));
        else resolve(reply.value);
      });
      this.#child.send(call);
    });
  }
}

async function serveCalls(): Promise<void> {
  let subject: Awaited<ReturnType<OpenSubject>> | null = null;
  // The parent is gone, so nothing else would end this process and its children.
  process.once("disconnect", () => void Promise.resolve(subject?.close()).finally(() => process.exit()));
  const answer = async (call: Call): Promise<unknown> => {
    if (call.kind === "open") {
      const { openSubject } = (await import(call.module)) as { openSubject: OpenSubject }; // a file of subjects/
      subject = await openSubject(call.options);
      return null;
    }
    if (subject === null) throw new Error("the subject is not open");
    if (call.kind === "run") return subject.run(call.workload);
    if (call.kind === "memory") return residentBytes(process.pid);
    await subject.close();
    subject = null;
    return null;
  };
  process.on("message", (call: Call) => {
    answer(call).then(
      (value) => process.send?.({ value } satisfies Reply),
      (error) =>
        process.send?.({ error: error instanceof Error ? error.message : String(error) } satisfies Reply),
    );
  });
}

/** VmRSS of a process and of its children; Linux only. */
function residentBytes(pid: number): number {
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
  return kilobytes * 1024 + children.reduce((sum, child) => sum + residentBytes(Number(child)), 0);
}

if (process.argv[2] === "subject") await serveCalls();
