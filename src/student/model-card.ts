// README.md of a student folder: what it is, how it was made, how each dtype was measured.

import type { Dtype } from "./dtype.ts";
import type { Manifest } from "./manifest.ts";

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function qualityTable(manifest: Manifest): string {
  const rows = Object.entries(manifest.dtypes).map(([dtype, entry]) => {
    const weights = Object.entries(entry.weights)
      .map(([format, count]) => `${(count / 1e6).toFixed(1)} M in ${format}`)
      .join(", ");
    const quality = entry.quality;
    const measured =
      quality === null
        ? "not measured | |"
        : `${percent(quality.agreement)} of ${quality.positions} | ${quality.perplexity.toFixed(2)} (fp32: ${quality.perplexityFp32.toFixed(2)}) |`;
    return `| ${dtype} | ${weights} | ${measured}`;
  });
  return ["| dtype | weights | agreement with fp32 | perplexity |", "|---|---|---|---|", ...rows].join("\n");
}

export function modelCard(manifest: Manifest): string {
  const smallest = (["q4", "q8", "fp32"] as const).find((dtype: Dtype) => manifest.dtypes[dtype]) ?? "fp32";
  return `---
library_name: transformers.js
license: ${manifest.licence ?? "unknown"}
pipeline_tag: text-generation
---

# ${manifest.name}

${manifest.level === null ? "A base model, not yet distilled" : `A student distilled at level ${manifest.level}`}: ${(manifest.parameters / 1e6).toFixed(0)} million parameters, family ${manifest.family}, context ${manifest.contextLength} tokens.
Made from ${manifest.base} with \`magdi import\`. Licence: ${manifest.licence ?? "not stated by the source"}.

${qualityTable(manifest)}

Agreement: the share of positions at which the most likely token is float32's, teacher-forced on float32's own greedy
answers to a dozen questions. Perplexity: on short passages of plain prose. Both as measured where it was made: products
in blocks quantise their inputs too, and processors round those differently in the last bits.

\`\`\`sh
npx magdi serve --model ${manifest.name}
\`\`\`

\`\`\`js
import { pipeline } from "@huggingface/transformers";
const generate = await pipeline("text-generation", "${manifest.name}", { dtype: "${smallest}", device: "cpu" });
\`\`\`

\`onnx/model*.onnx\` are for transformers.js and ONNX Runtime, \`onnx/engine_*.onnx\` for magdi's engine; both read the
same data files. \`student.json\` holds the SHA-256 of every file.
`;
}
