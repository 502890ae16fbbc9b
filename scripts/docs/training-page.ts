// docs/training.md out of its template, the recipes and the settings of training.
import { shownDefault } from "../../src/base/settings/setting.ts";
import type { Recipe } from "../../src/train/recipes.ts";
import type { TRAINING_SETTINGS } from "../../src/train/run/training-settings.ts";
import { cell } from "./schema-table.ts";

const GENERATED = "<!-- Made by npm run docs from docs/templates/training.md and src/train: edit those. -->";

export function trainingPage(
  template: string,
  recipes: readonly Recipe[],
  settings: typeof TRAINING_SETTINGS,
): string {
  const parts = { "<!-- recipes -->": recipeTable(recipes), "<!-- settings -->": settingTables(settings) };
  let page = template;
  for (const [marker, text] of Object.entries(parts)) {
    if (!page.includes(marker)) throw new Error(`the template of docs/training.md has no ${marker}`);
    page = page.replace(marker, () => text);
  }
  return `${GENERATED}\n${page}`;
}

const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;

function recipeTable(recipes: readonly Recipe[]): string {
  const rows = recipes.map(({ name, summary, settings }) => {
    const own = Object.entries(settings("…")).map(([key, value]) => `${key}: ${shown(value)}`);
    return row([`\`${name}\``, summary, own.length === 0 ? "" : `\`${own.join(", ")}\``]);
  });
  return ["| recipe | | sets |", "|---|---|---|", ...rows].join("\n");
}

function shown(value: unknown): string {
  if (typeof value === "number" && Number.isNaN(value)) return "…";
  return Array.isArray(value) ? value.join("+") || "none" : String(value);
}

function settingTables(settings: typeof TRAINING_SETTINGS): string {
  const groups = [...new Set(settings.map(({ group }) => group))];
  const tables = groups.map((group) => {
    const rows = settings
      .filter((setting) => setting.group === group)
      .map((setting) => {
        const { key, flag, description } = setting;
        const value = shownDefault(setting);
        return row([`\`${key}\`<br>\`--${flag}\``, value === "" ? "" : `\`${value}\``, description]);
      });
    const heading = `### ${group[0]?.toUpperCase()}${group.slice(1)}`;
    return [heading, "", "| setting, flag | default | |", "|---|---|---|", ...rows].join("\n");
  });
  return tables.join("\n\n");
}
