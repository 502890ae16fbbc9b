// A process under what a container engine puts a server under: its own process and mount namespaces, an image's files
// as a read-only root, a tmpfs, no privileges, and itself as process 1. It knows no server.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import type { ImageConfig } from "./dockerfile.ts";

/** Base images stay empty in these tests: what they hold comes from this machine. */
const FROM_THIS_MACHINE = ["/usr", "/etc"];
const MERGED = ["bin", "lib", "lib64", "sbin"];
const NODE_FOLDER = "image-node";

/** Root, node, user and working folder are its first arguments. */
const ENTER = `
set -e
root=$1 node=$2 user=$3 folder=$4
shift 4
mount --make-rprivate /
mount --bind "$root" "$root"
for name in ${FROM_THIS_MACHINE.join(" ")}; do
  mount --bind "$name" "$root$name"
  mount -o remount,bind,ro "$root$name"
done
mount --bind "$node" "$root/${NODE_FOLDER}/node"
mount --bind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
exec chroot --userspec="$user" --groups= "$root" env -i -C "$folder" "$@"
`;

/** Why it cannot be done here, for a test's skip option; false where it can. */
export function cannotContain(): string | false {
  if (process.platform !== "linux") return "namespaces are Linux's";
  const tried = spawnSync("unshare", ["--mount", "--pid", "--fork", "mount", "--make-rprivate", "/"]);
  return tried.status === 0 ? false : "namespaces need a user who may mount (root)";
}

export interface ProcessStatus {
  /** In its innermost namespace. */
  readonly ownId: number;
  readonly userId: number;
  readonly groups: string;
  readonly capabilities: bigint;
}

export class ContainedProcess {
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Its exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /** What waits for it outside. */
  readonly #outside: ChildProcess;

  /** Starts an image's entry point; `root` stands for the image's root folder, and gets the mount points. */
  constructor(root: string, image: ImageConfig, environment: Readonly<Record<string, string>>) {
    for (const name of [...FROM_THIS_MACHINE, NODE_FOLDER, "dev", "proc", "tmp"])
      mkdirSync(path.join(root, name), { recursive: true });
    for (const name of MERGED) symlinkSync(`usr/${name}`, path.join(root, name));
    writeFileSync(path.join(root, NODE_FOLDER, "node"), "");
    const variables = { PATH: `/${NODE_FOLDER}:/usr/bin:/bin`, ...image.environment, ...environment };
    const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const given = [root, process.execPath, image.user, image.workingFolder, ...settings];
    const { stdout, stderr, ...outside } = start([...given, ...image.entrypoint, ...image.command]);
    this.#outside = outside.process;
    this.stdout = stdout;
    this.stderr = stderr;
    this.exited = once(this.#outside, "close").then(([code]: (number | null)[]) => code ?? null);
  }

  status(): ProcessStatus {
    const status = readFileSync(`/proc/${this.#inside()}/status`, "utf8");
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, "m").exec(status)?.[1]?.trim() ?? "";
    return {
      ownId: Number(field("NSpid").split(/\s+/).at(-1)),
      userId: Number(field("Uid").split(/\s+/)[1]),
      groups: field("Groups"),
      capabilities: BigInt(`0x${field("CapEff")}`),
    };
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.#inside(), name);
  }

  /** Ends it whatever it does; for a process that is gone, nothing. */
  async end(): Promise<void> {
    if (this.#outside.exitCode === null) this.signal("SIGKILL");
    await this.exited;
  }

  /** The process's id as this machine counts: the only child of the one outside. */
  #inside(): number {
    const { pid } = this.#outside;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8"));
  }
}

function start(args: readonly string[]): { process: ChildProcess; stdout: Readable; stderr: Readable } {
  const flags = ["--mount", "--pid", "--fork", "sh", "-c", ENTER, "enter"];
  const child = spawn("unshare", [...flags, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  return { process: child, stdout: child.stdout, stderr: child.stderr };
}
