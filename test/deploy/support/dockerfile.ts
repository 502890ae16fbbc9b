// A Dockerfile as data: its stages, and the instructions of each. It runs nothing.
import assert from "node:assert/strict";

export interface Instruction {
  readonly name: string;
  /** --from=build → from: build. */
  readonly flags: Readonly<Record<string, string>>;
  /** All behind the flags. */
  readonly rest: string;
  readonly words: readonly string[];
}

export interface Stage {
  readonly name: string;
  /** An image, or an earlier stage's name. */
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

/** The stages, in order; build arguments before the first one have their defaults. */
export function parseDockerfile(text: string): Stage[] {
  const lines = text
    .replace(/^\s*#.*\n?/gm, "")
    .replace(/\\\n\s*/g, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const defaults = new Map<string, string>();
  const stages: { name: string; base: string; instructions: Instruction[] }[] = [];
  for (const { name, flags, rest, words } of lines.map(instruction)) {
    const stage = stages.at(-1);
    if (name === "FROM") {
      const [image = "", as, own = ""] = words;
      assert.equal(as, "AS", `${rest}: a stage has a name`);
      const base = image.replace(/\$\{(\w+)\}/g, (_, argument: string) => defaults.get(argument) ?? "");
      stages.push({ name: own, base, instructions: [] });
    } else if (stage === undefined) {
      assert.equal(name, "ARG");
      const [argument = "", value = ""] = rest.split("=");
      defaults.set(argument, value);
    } else stage.instructions.push({ name, flags, rest, words });
  }
  return stages;
}

function instruction(line: string): Instruction {
  const [, name = "", behind = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
  const [leading = ""] = /^(?:--\S+\s+)*/.exec(behind) ?? [];
  const flags = [...leading.matchAll(/--([\w-]+)=(\S+)/g)].map(([, key = "", value = ""]) => [key, value]);
  const rest = behind.slice(leading.length);
  return { name, flags: Object.fromEntries(flags), rest, words: rest.split(/\s+/) };
}

/** The stages that `target` is made of by FROM, the target last. */
export function ancestry(stages: readonly Stage[], target: string): Stage[] {
  const stage = stages.find(({ name }) => name === target);
  return stage === undefined ? [] : [...ancestry(stages, stage.base), stage];
}

export interface ImageConfig {
  readonly environment: Readonly<Record<string, string>>;
  readonly workingFolder: string;
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly healthCheck: readonly string[];
  readonly ports: readonly string[];
}

/** What the image of a target says of how to run it; commands must be in exec form. */
export function imageConfig(stages: readonly Stage[], target: string): ImageConfig {
  const all = ancestry(stages, target).flatMap(({ instructions }) => instructions);
  const last = (name: string) => all.findLast((found) => found.name === name)?.rest ?? "";
  // JSON.parse is unknown's maker; what is not a list of words fails the tests that read it.
  const exec = (text: string) => (text === "" ? [] : (JSON.parse(text) as string[]));
  return {
    environment: environmentOf(all),
    workingFolder: last("WORKDIR"),
    user: last("USER"),
    entrypoint: exec(last("ENTRYPOINT")),
    command: exec(last("CMD")),
    healthCheck: exec(last("HEALTHCHECK").replace(/^.*?CMD\s+/, "")),
    ports: all.filter(({ name }) => name === "EXPOSE").flatMap(({ words }) => words),
  };
}

export function environmentOf(instructions: readonly Instruction[]): Record<string, string> {
  const pairs = instructions.filter(({ name }) => name === "ENV").flatMap(({ words }) => words);
  return Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
}
