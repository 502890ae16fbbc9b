// docs/config.md out of its template and the server's settings.
import type { SettingHelp } from "../../src/server/config.ts";
import { cell } from "./schema-table.ts";

const MARKER = "<!-- settings -->";
const GENERATED =
  "<!-- Made by npm run docs from docs/templates/config.md and src/server/config.ts: edit those. -->";

export function configPage(template: string, settings: readonly SettingHelp[]): string {
  if (!template.includes(MARKER)) throw new Error(`the template of docs/config.md has no ${MARKER}`);
  return `${GENERATED}\n${template.replace(MARKER, settingTable(settings))}`;
}

function settingTable(settings: readonly SettingHelp[]): string {
  const rows = settings.map(({ key, flag, variable, description, expected, default: value }) => {
    const names = flag === null ? [`\`${variable}\``] : [`\`${key}\``, `\`--${flag}\``, `\`${variable}\``];
    const cells = [names.join("<br>"), expected, value === null ? "" : `\`${value}\``, description];
    return `| ${cells.map(cell).join(" | ")} |`;
  });
  return ["| setting, flag, variable | takes | default | |", "|---|---|---|---|", ...rows].join("\n");
}
