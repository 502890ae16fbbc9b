// Does what `docker build` does with our Dockerfile, without a container engine: each stage's COPY and RUN in a folder
// that stands for its root. Base images stay empty folders; what RUN calls comes from this machine.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, statSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type { BuildContext } from "./build-context.ts";
import { ancestry, environmentOf, type Instruction, type Stage } from "./dockerfile.ts";

const run = promisify(execFile);

export interface StageRunnerOptions {
  readonly stages: readonly Stage[];
  readonly context: BuildContext;
  /** A new folder: a stage's root is in it. */
  readonly folder: string;
}

export class StageRunner {
  readonly #options: StageRunnerOptions;
  readonly #built = new Map<string, Promise<string>>();

  constructor(options: StageRunnerOptions) {
    this.#options = options;
  }

  /** Builds a target and all that it needs; gives the folder that stands for its root. */
  build(target: string): Promise<string> {
    let built = this.#built.get(target);
    if (built === undefined) {
      built = this.#build(target);
      this.#built.set(target, built);
    }
    return built;
  }

  /** A stage goes on in the folder of the stage that it begins with. */
  async #build(target: string): Promise<string> {
    const { stages, folder } = this.#options;
    const lineage = ancestry(stages, target);
    const stage = lineage.at(-1);
    assert.ok(stage !== undefined, `the Dockerfile has no stage ${target}`);
    const root = lineage.length > 1 ? await this.build(stage.base) : path.join(folder, stage.name);
    const before = lineage.slice(0, -1).flatMap(({ instructions }) => instructions);
    const done: Instruction[] = [...before];
    for (const instruction of stage.instructions) {
      done.push(instruction);
      const workingFolder = done.findLast(({ name }) => name === "WORKDIR")?.rest ?? "/";
      const cwd = path.join(root, workingFolder);
      mkdirSync(cwd, { recursive: true });
      if (instruction.name === "COPY") await this.#copy(instruction, root, cwd);
      if (instruction.name === "RUN") await this.#run(instruction, cwd, environmentOf(done));
    }
    return root;
  }

  async #copy({ words, flags, rest }: Instruction, root: string, cwd: string): Promise<void> {
    const { context } = this.#options;
    const { from } = flags;
    const target = words.at(-1) ?? "";
    const to = target.startsWith("/") ? path.join(root, target) : path.join(cwd, target);
    const source = from === undefined ? context.folder : await this.build(from);
    for (const word of words.slice(0, -1)) {
      const file = path.join(source, word);
      assert.ok(existsSync(file), `COPY ${rest}: ${word} is not there`);
      const wanted = (name: string) =>
        statSync(name).isDirectory() || context.holds(path.relative(source, name).split(path.sep).join("/"));
      const inFolder = statSync(file).isFile() && (target.endsWith("/") || words.length > 2);
      const filter = from === undefined ? { filter: wanted } : {};
      cpSync(file, inFolder ? path.join(to, path.basename(word)) : to, { recursive: true, ...filter });
      if (from === undefined) {
        const sent = context.holds(word) || context.files().some((name) => name.startsWith(`${word}/`));
        assert.ok(sent, `COPY ${rest}: .dockerignore leaves ${word} out`);
      }
    }
  }

  async #run({ rest }: Instruction, cwd: string, environment: Record<string, string>): Promise<void> {
    // What npm tells the scripts that it runs, these among them, would mislead the npm in there.
    const own = Object.entries(process.env).filter(([name]) => !/^(?:npm_|INIT_CWD$|NODE_)/i.test(name));
    const env = { ...Object.fromEntries(own), npm_config_prefer_offline: "true", ...environment };
    await run("sh", ["-c", rest], { cwd, env, maxBuffer: 2 ** 26 });
  }
}
