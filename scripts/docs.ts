// Writes the pages of docs/ that are made out of the code: npm run docs.
import { readFileSync, writeFileSync } from "node:fs";
import { buildApp } from "../src/server/app.ts";
import { loadConfig, SERVER_SETTINGS } from "../src/server/config.ts";
import type { OpenApiDocument } from "../src/server/documentation/openapi-document.ts";
import { Metrics } from "../src/server/observation/metrics.ts";
import { CONFIG_FIELDS } from "../src/student/config-json-fields.ts";
import { GENERATION_FIELDS } from "../src/student/end-tokens.ts";
import { GGUF_FIELDS } from "../src/student/gguf-fields.ts";
import { ROPE_FIELDS } from "../src/student/rope-config.ts";
import { TOKENIZER_FIELDS } from "../src/text/supported-tokenizer.ts";
import { ADAPTER_CONFIG_FIELDS } from "../src/train/adapter/peft-fields.ts";
import { RECIPES } from "../src/train/recipes.ts";
import { TRAINING_SETTINGS } from "../src/train/run/training-settings.ts";
import { apiPage } from "./docs/api-page.ts";
import { compatibilityPage } from "./docs/compatibility-page.ts";
import { configPage } from "./docs/config-page.ts";
import { securityPage } from "./docs/security-page.ts";
import { structurePage } from "./docs/structure-page.ts";
import { trainingPage } from "./docs/training-page.ts";

const DOCS = new URL("../docs/", import.meta.url);

/** The generated pages by name. */
export async function pages(): Promise<ReadonlyMap<string, string>> {
  const template = (name: string) => readFileSync(new URL(`templates/${name}`, DOCS), "utf8");
  return new Map([
    ["api.md", apiPage(template("api.md"), await openApiDocument())],
    [
      "compatibility.md",
      compatibilityPage(template("compatibility.md"), {
        "config.json": CONFIG_FIELDS,
        "rope parameters": ROPE_FIELDS,
        "generation_config.json": GENERATION_FIELDS,
        "adapter_config.json": ADAPTER_CONFIG_FIELDS.map(({ field, treatment, meaning }) => ({
          names: field,
          treatment,
          about: meaning,
        })),
        "tokenizer.json": TOKENIZER_FIELDS,
        GGUF: GGUF_FIELDS,
      }),
    ],
    ["config.md", configPage(template("config.md"), SERVER_SETTINGS)],
    ["security.md", securityPage(template("security.md"), SERVER_SETTINGS)],
    ["structure.md", structurePage(template("structure.md"), new URL("../src/", import.meta.url))],
    ["training.md", trainingPage(template("training.md"), RECIPES, TRAINING_SETTINGS)],
  ]);
}

/** Of a server with the default settings; it needs no student to describe itself. */
async function openApiDocument(): Promise<OpenApiDocument> {
  const app = buildApp({
    student: new Promise(() => {}),
    config: loadConfig(),
    metrics: new Metrics({ processMetrics: false }),
  });
  try {
    return (await app.inject({ url: "/openapi.json" })).json<OpenApiDocument>();
  } finally {
    await app.close();
  }
}

if (process.argv[1] !== undefined && import.meta.filename === process.argv[1]) {
  for (const [name, text] of await pages()) writeFileSync(new URL(name, DOCS), text);
}
