// The report as one self-contained HTML page: runs side by side in a table, charts below. It knows no files.

import type { RunRecord } from "./run-record.ts";
import { summaryRows } from "./summary.ts";

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => ESCAPES[character] ?? "");

const STYLE = `
:root { color-scheme: light; }
body { margin: 0 auto; padding: 1.5rem; max-width: 62rem; font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.25rem 1rem 0.25rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e6e6e6; overflow-wrap: anywhere; min-width: 8rem; max-width: 22rem; }
tbody th { font-weight: normal; color: #555; }
.note { color: #555; font-size: 0.9rem; max-width: 44rem; }
svg { width: 100%; min-width: 44rem; height: auto; display: block; }
`;

/** @param svg the document of the charts */
export function reportPage(runs: readonly RunRecord[], svg: string): string {
  const names = runs.map(({ name }) => name);
  const title = `Training: ${names.join(", ")}`;
  const cells = (texts: readonly string[], tag: string, more = ""): string =>
    texts.map((text) => `<${tag}${more}>${escaped(text)}</${tag}>`).join("");
  const rows = summaryRows(runs).map(
    (row) => `<tr><th scope="row">${escaped(row.name)}</th>${cells(row.cells, "td")}</tr>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<div class="wide" tabindex="0" role="region" aria-label="Runs side by side">
<table>
<thead><tr><td></td>${cells(names, "th", ' scope="col"')}</tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>
</div>
<p class="note">Faint lines are single steps (in long runs, means of neighbouring steps), solid lines their running mean, dashed lines with points validations, and dotted lines the accuracy of always predicting the most frequent label. The loss is the weighted sum of the others, which are shown unweighted.</p>
<figure class="wide" style="margin: 0">
${svg.replace("<svg ", `<svg role="img" aria-label="${escaped(`Curves of ${names.join(", ")}`)}" `)}
</figure>
</body>
</html>
`;
}
