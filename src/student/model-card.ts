// The model card, README.md of a student folder: what it is, how it was made, each dtype's measured quality.

import { markdownText, shellWord, shortLine, yamlText } from "../base/markdown.ts";
import { type Dtype, floatsOf } from "./dtype.ts";
import type { Manifest, Mixed, Provenance } from "./manifest.ts";

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

function choiceTable({ choice }: Manifest): string {
  if (choice === undefined) return "";
  const rows = choice.measured.map(
    ({ dtype, agreement, perplexity, promptMs, stepMs, tenRowStepMs }) =>
      `| ${dtype} | ${percent(agreement)} | ${perplexity.toFixed(2)} | ${promptMs.toFixed(0)} ms | ${stepMs.toFixed(1)} ms | ${tenRowStepMs.toFixed(1)} ms |`,
  );
  return `
Kept in ${choice.dtype}: ${choice.reason}. What was measured where it was made:

| dtype | agreement | perplexity | prompt of 64 tokens | step of 1 sample | step of 10 |
|---|---|---|---|---|---|
${rows.join("\n")}
${choice.mixed === undefined ? "" : `\n${mixedText(choice.mixed)}.\n`}`;
}

/** What of q4 is in 8 bits, without a full stop. */
export const mixedText = ({ inEight, plainAgreement }: Mixed): string =>
  `q4 has 8 bits for ${inEight.join("; ")}; with 4 for all of them its agreement is ${percent(plainAgreement)}`;

function kind({ level, training }: Provenance): string {
  if (level !== null) return `A student distilled at level ${level}`;
  return training === undefined
    ? "A base model, not yet distilled"
    : "A base model with an adapter merged into it";
}

function origin({ base, training }: Provenance, command: "import" | "export"): string {
  if (training === undefined) return `Made from ${markdownText(base)} with \`magdi ${command}\`.`;
  const { adapter, adapterSha256, lora, modules, recipe, data } = training;
  const lines = [
    `- base: ${markdownText(base)}`,
    `- adapter: ${markdownText(adapter)} (${lora.join("; ")}, on ${markdownText(modules.join(", "))}), SHA-256 ${adapterSha256}`,
    `- recipe: ${markdownText(recipe ?? "not stated")}`,
    `- data: ${markdownText(data ?? "not stated")}`,
  ];
  return `Made with \`magdi export\`, which merged an adapter into its base in float32:

${lines.join("\n")}

`;
}

export function vocabularyLine({ vocabulary }: Provenance): string {
  if (vocabulary === undefined) return "";
  const { tokens, of, textTokens, keptTextTokens } = vocabulary;
  const share = textTokens === 0 ? 1 : keptTextTokens / textTokens;
  return `vocabulary cut from ${of} to ${tokens} tokens, which are ${(100 * share).toFixed(2)} % of those in the ${textTokens} tokens of its texts`;
}

/** What a card says of a model whatever format it is in. */
function description(provenance: Provenance, command: "import" | "export"): string {
  const { name, parameters, family, contextLength, licence, vocabulary, notes = [] } = provenance;
  return `# ${markdownText(name)}

${kind(provenance)}: ${(parameters / 1e6).toFixed(0)} million parameters, family ${markdownText(family)}, context ${contextLength} tokens.
${origin(provenance, command)} Licence: ${markdownText(licence ?? "not stated by the source")}.
${vocabulary === undefined ? "" : `\nIts ${vocabularyLine(provenance)}; every text can still be written, in more tokens.\n`}
${notes.map((note) => `- ${markdownText(note)}\n`).join("")}`;
}

/** A model that was written for other programs. */
export interface PortableModel {
  readonly provenance: Provenance;
  /** The format's name, such as bf16 or q8_0. */
  readonly dtype: string;
}

/** The card of a Hugging Face folder. */
export function huggingFaceCard({ provenance, dtype }: PortableModel): string {
  const name = shortLine(provenance.name);
  return `---
library_name: transformers
license: ${yamlText(provenance.licence ?? "unknown")}
pipeline_tag: text-generation
---

${description(provenance, "export")}
Weights in ${dtype}.

\`\`\`python
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(${JSON.stringify(name)})
model = AutoModelForCausalLM.from_pretrained(${JSON.stringify(name)}, dtype="auto")
\`\`\`

\`\`\`sh
vllm serve ${shellWord(name)}
\`\`\`
`;
}

/** The card beside a GGUF file on a hub. */
export function ggufCard({ provenance, dtype }: PortableModel, file: string): string {
  return `---
library_name: gguf
license: ${yamlText(provenance.licence ?? "unknown")}
pipeline_tag: text-generation
---

${description(provenance, "export")}
${markdownText(file)} holds the weights in ${dtype}, the tokenizer and the chat template.

\`\`\`sh
llama-server -m ${shellWord(file)}
\`\`\`
`;
}

export function modelCard(manifest: Manifest): string {
  const smallest =
    (["q4", "q8", "fp32", "q4f16", "fp16"] as const).find((dtype: Dtype) => manifest.dtypes[dtype]) ?? "fp32";
  const device = floatsOf(smallest) === "float16" ? "webgpu" : "cpu";
  return `---
library_name: transformers.js
license: ${yamlText(manifest.licence ?? "unknown")}
pipeline_tag: text-generation
---

${description(manifest, "import")}
${qualityTable(manifest)}
${choiceTable(manifest)}
Agreement: the share of positions at which the most likely token is float32's, teacher-forced on float32's own greedy
answers to a dozen questions. Perplexity: on short passages of plain prose. Both as measured where it was made: products
in blocks quantise their inputs too, and processors round those differently in the last bits.${
    manifest.dtypes.fp16 || manifest.dtypes.q4f16
      ? `
fp16 and q4f16 compute in float16 and are for GPUs; the CPU that measured them widens products of floats to float32,
and rounds what they give to float16.`
      : ""
  }

\`\`\`sh
npx magdi serve --model ${shellWord(shortLine(manifest.name))}
\`\`\`

\`\`\`js
import { pipeline } from "@huggingface/transformers";
const generate = await pipeline("text-generation", ${JSON.stringify(shortLine(manifest.name))}, { dtype: "${smallest}", device: "${device}" });
\`\`\`

\`onnx/model*.onnx\` are for transformers.js and ONNX Runtime, \`onnx/engine_*.onnx\` for magdi's engine; both read the
same data files. \`student.json\` holds the SHA-256 of every file.
`;
}
