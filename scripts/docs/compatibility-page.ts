// docs/compatibility.md out of its template and the tables of fields beside each reader.
import { type KnownField, namesOf } from "../../src/base/known-fields.ts";
import { cell } from "./schema-table.ts";

const GENERATED =
  "<!-- Made by npm run docs from docs/templates/compatibility.md and the tables of fields in src: edit those. -->";

/** `tables` by the name of their marker. */
export function compatibilityPage(
  template: string,
  tables: Readonly<Record<string, readonly KnownField[]>>,
): string {
  let page = template;
  for (const [name, fields] of Object.entries(tables)) {
    const marker = `<!-- ${name} -->`;
    if (!page.includes(marker)) throw new Error(`the template of docs/compatibility.md has no ${marker}`);
    page = page.replace(marker, () => fieldTable(fields));
  }
  return `${GENERATED}\n${page}`;
}

function fieldTable(fields: readonly KnownField[]): string {
  const rows = fields.map((field) => {
    const names = namesOf(field).map((name) => `\`${name}\``);
    const neutral = (field.neutral ?? []).map((value) => `\`${JSON.stringify(value)}\``);
    const treatment =
      neutral.length === 0 ? field.treatment : `${field.treatment}, unless ${neutral.join(" or ")}`;
    return `| ${[names.join(", "), treatment, field.about].map(cell).join(" | ")} |`;
  });
  return ["| field | | |", "|---|---|---|", ...rows].join("\n");
}
