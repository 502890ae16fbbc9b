// A debate as one HTML file: the playground's scripts and styles, and the debate as JSON, all within. It loads nothing, and
// its policy lets no other script run.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { DebateView } from "./debate-view.ts";

/** Each behind those that it imports. */
const SCRIPTS = [
  "../../server/playground/dom.js",
  "../../server/playground/numbers.js",
  "../../server/playground/answer-marks.js",
  "../../server/playground/debate-node.js",
  "../../server/playground/debate-edges.js",
  "../../server/playground/debate-graph.js",
  "../../server/playground/debate-summary.js",
  "page.js",
];
const STYLES = ["../../server/playground/playground.css", "../../server/playground/debate.css", "page.css"];

export function debateHtml(view: DebateView): string {
  const script = SCRIPTS.map((name) => withoutModules(textOf(name))).join("\n");
  const style = STYLES.map(textOf).join("\n");
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  // A text of the debate's cannot end the element that it stands in.
  const debate = JSON.stringify(view).replaceAll("<", "\\u003c");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>A debate</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>A debate</h1>
<p id="name"></p>
</header>
<main>
<section id="question" aria-label="Question"></section>
<section aria-labelledby="team-title">
<h2 id="team-title">The team's votes</h2>
<p id="outcome"></p>
<div id="votes"></div>
</section>
<section aria-labelledby="answers-title">
<h2 id="answers-title">Answers</h2>
<div id="legend"></div>
</section>
<section aria-labelledby="graph-title">
<h2 id="graph-title">Who answered what, and heard whom</h2>
<div id="graph"></div>
</section>
<section aria-labelledby="cost-title">
<h2 id="cost-title">What it cost</h2>
<div id="cost"></div>
</section>
</main>
<noscript><p>This page is drawn by a script, which is all in this file.</p></noscript>
<script id="debate" type="application/json">${debate}</script>
<script type="module">${script}</script>
</body>
</html>
`;
}

function textOf(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8");
}

/** As part of one script: what modules import and export is in it under the same names. */
function withoutModules(script: string): string {
  return script
    .replaceAll(/^import [^;]*? from "[^"]+";\n/gm, "")
    .replaceAll(/^export (?=(?:async )?(?:const|function|class) )/gm, "");
}

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}
