// docs/security.md out of its template and the server's settings: the bounds that are settings, with their defaults.
import { type Setting, shownDefault } from "../../src/base/settings/setting.ts";
import { cell } from "./schema-table.ts";

const GENERATED =
  "<!-- Made by npm run docs from docs/templates/security.md and src/server/config.ts: edit those. -->";
/** A table of settings: their names, defaults and descriptions. */
const TABLE = /<!-- settings ([\w, ]+) -->/g;
/** A setting's default in running text. */
const DEFAULT = /\{\{(\w+)\}\}/g;

export function securityPage(template: string, settings: readonly Setting[]): string {
  const named = (key: string): Setting => {
    const setting = settings.find((one) => one.key === key);
    if (setting === undefined) throw new Error(`docs/templates/security.md: ${key} is no setting`);
    return setting;
  };
  const page = template
    .replace(TABLE, (_, keys: string) => table(keys.split(/, */).map(named)))
    .replace(DEFAULT, (_, key: string) => shownDefault(named(key)));
  return `${GENERATED}\n${page}`;
}

function table(settings: readonly Setting[]): string {
  const rows = settings.map((setting) => {
    const value = shownDefault(setting);
    const cells = [`\`${setting.key}\``, value === "" ? "" : `\`${value}\``, setting.description];
    return `| ${cells.map(cell).join(" | ")} |`;
  });
  return ["| setting | default | bounds |", "|---|---|---|", ...rows].join("\n");
}
