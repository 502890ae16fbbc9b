// deploy/compose.yaml as Compose itself reads it, and the Prometheus that it makes, started as it says.
import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { loadConfig, SERVER_SETTINGS } from "../../src/server/config.ts";
import type { Json } from "../server/support/running-app.ts";
import { lacks, runTool } from "../support/deploy-tools.ts";
import { missing, promtool, startPrometheus } from "../support/prometheus-tools.ts";
import { scratchFolder } from "../support/scratch-folder.ts";
import { imageConfig, parseDockerfile } from "./support/dockerfile.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const STAGES = parseDockerfile(readFileSync(path.join(ROOT, "Dockerfile"), "utf8"));
const skip = lacks("docker-compose");
const scratch = scratchFolder();
/** What `magdi serve` takes to close beside the drain. */
const CLOSING_MS = 10_000;

/** By the name of the service, with paths and variables put in; `files` of deploy/. */
async function compose(files: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Json> {
  const given = files.flatMap((file) => ["-f", `deploy/${file}`]);
  const { code, output, stdout } = await runTool(
    "docker-compose",
    [...given, "config", "--format", "json", "--no-path-resolution"],
    { cwd: ROOT, environment },
  );
  assert.equal(code, 0, output);
  return JSON.parse(stdout).services;
}

let services: Json = {};
before(async () => {
  if (skip === false) services = await compose(["compose.yaml"]);
});

const folderOf = (source: string) => path.join(ROOT, "deploy", source);
const mounts = ({ volumes }: Json): Json[] => volumes.filter(({ type }: Json) => type === "bind");
const seconds = (duration: string) => {
  const [, minutes = "0", rest = "0"] = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration) ?? [];
  return 60 * Number(minutes) + Number(rest);
};

test("Compose reads it: the server, Prometheus and Grafana, of versions that are named", { skip }, () => {
  assert.deepEqual(Object.keys(services).sort(), ["grafana", "prometheus", "server"]);
  for (const [name, { image }] of Object.entries<Json>(services))
    assert.match(image, name === "server" ? /^magdi$/ : /^[\w/]+:v?\d+\.\d+\.\d+$/);
  const { build } = services.server;
  assert.equal(path.join("deploy", build.context), ".");
  assert.equal(build.target, STAGES.at(-1)?.name);
});

test("none of them has rights, a writable root, or more than its share", { skip }, () => {
  for (const [name, service] of Object.entries<Json>(services)) {
    assert.equal(service.read_only, true, name);
    assert.deepEqual(service.cap_drop, ["ALL"], name);
    assert.deepEqual(service.security_opt, ["no-new-privileges:true"], name);
    assert.match(service.user, /^[1-9]\d*:\d+$/, name);
    const { cpus, memory } = service.deploy.resources.limits;
    assert.ok(Number(cpus) > 0 && Number(memory) > 0, name);
    assert.ok(service.healthcheck.test.length > 1, name);
    for (const port of service.ports) assert.equal(port.host_ip, "127.0.0.1", name);
  }
  assert.equal(services.server.user, imageConfig(STAGES, "cpu").user);
  assert.match(services.server.tmpfs.join(), /^\/tmp:/);
});

test("the server gets the time that its drain takes, its own health check, and variables that are settings", {
  skip,
}, async () => {
  const { server } = services;
  const image = imageConfig(STAGES, "cpu");
  assert.ok(1000 * seconds(server.stop_grace_period) > loadConfig().drainTimeoutMs + CLOSING_MS);
  assert.deepEqual(server.healthcheck.test, ["CMD", ...image.healthCheck]);
  assert.equal(String(server.ports[0].target), image.environment.MAGDI_PORT);
  const source = readFileSync(path.join(ROOT, "deploy/compose.yaml"), "utf8");
  const passedOn = [...source.matchAll(/^ {6}(MAGDI_\w+):/gm)].map(([, name]) => name!);
  assert.ok(passedOn.length > 1);
  for (const name of passedOn)
    assert.ok(
      SERVER_SETTINGS.some(({ variable }) => variable === name),
      name,
    );

  const chosen = {
    MAGDI_PORT: "9999",
    MAGDI_CPUS: "4",
    MAGDI_MODEL: "/students/mine",
    MAGDI_API_KEYS: "a:b",
  };
  const changed = (await compose(["compose.yaml"], chosen)).server;
  assert.equal(changed.ports[0].published, "9999");
  assert.equal(Number(changed.deploy.resources.limits.cpus), 4);
  assert.deepEqual(changed.environment, { MAGDI_MODEL: "/students/mine", MAGDI_API_KEYS: "a:b" });
});

test("the CUDA file changes the server alone, to the other target and a GPU", { skip }, async () => {
  const { server, ...others } = await compose(["compose.yaml", "compose.cuda.yaml"]);
  const { server: before, ...same } = services;
  assert.deepEqual(others, same);
  assert.equal(server.build.target, "cuda");
  assert.notEqual(server.image, before.image);
  const [device] = server.deploy.resources.reservations.devices;
  assert.deepEqual([device.driver, device.capabilities], ["nvidia", ["gpu"]]);
  assert.deepEqual(server.deploy.resources.limits, before.deploy.resources.limits);
});

test("whatever is mounted is there, and only read", { skip }, () => {
  for (const [name, service] of Object.entries<Json>(services)) {
    assert.ok(mounts(service).length > 0, name);
    for (const { source, read_only } of mounts(service)) {
      assert.equal(read_only, true, source);
      assert.ok(statSync(folderOf(source)).isDirectory(), source);
    }
  }
});

/** Where a path inside a service's container lies here. */
function outside(service: Json, inside: string): string {
  const mount = mounts(service).find(({ target }) => inside.startsWith(`${target}/`));
  assert.ok(mount !== undefined, `${inside} is not mounted`);
  return path.join(folderOf(mount.source), path.relative(mount.target, inside));
}

test("Grafana finds its data source and its board where it looks", { skip }, () => {
  const { grafana, prometheus } = services;
  const home = outside(grafana, grafana.environment.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH);
  assert.equal(JSON.parse(readFileSync(home, "utf8")).uid, "magdi");
  const provider = readFileSync(outside(grafana, "/etc/grafana/provisioning/dashboards/magdi.yaml"), "utf8");
  const [, boards = ""] = /^ +path: (.*)$/m.exec(provider) ?? [];
  assert.equal(outside(grafana, `${boards}/magdi.json`), home);
  const source = readFileSync(
    outside(grafana, "/etc/grafana/provisioning/datasources/prometheus.yaml"),
    "utf8",
  );
  const [, url = ""] = /^ +url: (.*)$/m.exec(source) ?? [];
  assert.equal(url, `http://prometheus:${prometheus.ports[0].target}`);
});

test("Prometheus loads the configuration and the rules, and looks for the server", {
  skip: skip === false ? missing("prometheus") : skip,
}, async (t) => {
  const { prometheus, server } = services;
  const flags = new Map<string, string>(prometheus.command.map((flag: string) => flag.split("=")));
  const file = outside(prometheus, flags.get("--config.file") ?? "");
  const { code, output } = await promtool(["check", "config", "--lint-fatal", file]);
  assert.equal(code, 0, output);

  const kept = [...flags].filter(([name]) => !["--config.file", "--storage.tsdb.path"].includes(name));
  const given = kept.map((pair) => pair.join("="));
  const url = await startPrometheus(t, file, path.join(scratch, "data"), given);
  const asked = new URL(prometheus.healthcheck.test.at(-1));
  assert.equal(Number(asked.port), prometheus.ports[0].target);
  assert.equal((await fetch(url + asked.pathname)).status, 200);
  const rules: Json = await (await fetch(`${url}/api/v1/rules`)).json();
  assert.deepEqual(rules.data.groups.map(({ name }: Json) => name).sort(), [
    "magdi-alerts",
    "magdi-recording",
  ]);
  const giveUp = AbortSignal.timeout(60_000);
  let targets: Json[] = [];
  while (targets.length === 0 && !giveUp.aborted) {
    const answer: Json = await (await fetch(`${url}/api/v1/targets`)).json();
    targets = answer.data.activeTargets;
    await wait(100);
  }
  assert.deepEqual(
    targets.map(({ scrapeUrl, labels }: Json) => [scrapeUrl, labels.job]),
    [[`http://server:${server.ports[0].target}/metrics`, "magdi"]],
  );
});
