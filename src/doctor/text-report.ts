// An examination as text for the terminal: a line per check with the remedy below it, and a verdict per device.

import type { Check, Status } from "./check.ts";
import type { Examination } from "./examination.ts";

const MARKS: Readonly<Record<Status, string>> = {
  ok: "ok     ",
  note: "note   ",
  warning: "warning",
  missing: "missing",
};

function lines({ name, status, found, remedy }: Check): string[] {
  const line = `  ${MARKS[status]}  ${name}: ${found.replaceAll("\n", " ")}`;
  return remedy === null ? [line] : [line, `           → ${remedy}`];
}

export function textReport({ system, checks, verdicts }: Examination): string {
  const general = checks.filter(({ device }) => device === null);
  const groups = verdicts.map(({ device, serves, reason }) => [
    `${device}: ${serves ? "can serve" : `cannot serve: ${reason}`}`,
    ...checks.filter((check) => check.device === device).flatMap(lines),
  ]);
  return [[system, ...general.flatMap(lines)], ...groups].map((group) => `${group.join("\n")}\n`).join("\n");
}
