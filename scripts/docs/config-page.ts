// docs/config.md out of its template and the server's settings.
import { type Setting, shownDefault } from "../../src/base/settings/setting.ts";
import { cell } from "./schema-table.ts";

const MARKER = "<!-- settings -->";
const GENERATED =
  "<!-- Made by npm run docs from docs/templates/config.md and src/server/config.ts: edit those. -->";

export function configPage(template: string, settings: readonly Setting[]): string {
  if (!template.includes(MARKER)) throw new Error(`the template of docs/config.md has no ${MARKER}`);
  return `${GENERATED}\n${template.replace(MARKER, settingTable(settings))}`;
}

function settingTable(settings: readonly Setting[]): string {
  const rows = settings.map((setting) => {
    const { key, flag, variable, description, expected } = setting;
    const names = flag === null ? [`\`${variable}\``] : [`\`${key}\``, `\`--${flag}\``, `\`${variable}\``];
    const value = shownDefault(setting);
    const cells = [names.join("<br>"), expected, value === "" ? "" : `\`${value}\``, description];
    return `| ${cells.map(cell).join(" | ")} |`;
  });
  return ["| setting, flag, variable | takes | default | |", "|---|---|---|---|", ...rows].join("\n");
}
