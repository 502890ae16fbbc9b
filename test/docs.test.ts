// docs/api.md and docs/config.md are what npm run docs makes of the schemas and settings.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { apiPage } from "../scripts/docs/api-page.ts";
import { configPage } from "../scripts/docs/config-page.ts";
import { schemaTable } from "../scripts/docs/schema-table.ts";
import { pages } from "../scripts/docs.ts";
import { SERVER_SETTINGS } from "../src/server/config.ts";

test("the generated pages are fresh", async () => {
  for (const [name, text] of await pages()) {
    const page = readFileSync(new URL(`../docs/${name}`, import.meta.url), "utf8");
    assert.equal(page, text, `docs/${name} is stale: npm run docs`);
  }
});

test("every endpoint, error code and setting has its place", async () => {
  const made = await pages();
  const api = made.get("api.md") ?? "";
  for (const path of ["/v1/reason", "/v1/reason/ws", "/v1/tokenize", "/v1/baselines", "/metrics", "/docs"]) {
    assert.match(api, new RegExp(`^#{2,3} \`(GET|POST) ${path}\`$`, "m"), path);
  }
  for (const code of ["queue_full", "context_length_exceeded", "internal_error", "invalid_api_key"]) {
    assert.match(api, new RegExp(`^\\| \\d{3} \\| \`\\w+\` \\| \`${code}\` \\| .+ \\|$`, "m"), code);
  }
  assert.doesNotMatch(api, /undefined|\[object|<!-- (?!Made)/);
  const config = made.get("config.md") ?? "";
  for (const { variable, expected } of SERVER_SETTINGS) {
    assert.ok(config.includes(`\`${variable}\` | ${expected} |`), variable);
    assert.match(expected, /^[a-zA-Z]/, variable);
    assert.doesNotMatch(expected, /Invalid input/, variable);
  }
});

test("types are said in words, with their ranges, and nothing is listed twice", () => {
  const named = { type: "object", properties: { a: { type: ["string", "null"], description: "x|y" } } };
  const reference = { $ref: "#/components/schemas/Named" };
  const schema = {
    type: "object",
    required: ["n"],
    properties: {
      n: { type: "integer", minimum: 1, maximum: 5, description: "Two\nlines." },
      top: { anyOf: [{ type: "number", exclusiveMinimum: 0, maximum: 1 }, { type: "null" }], default: 0.5 },
      kind: { enum: ["a", "b"] },
      many: { type: "array", minItems: 1, maxItems: 4, items: { type: "string", minLength: 1 } },
      grid: { type: "array", items: { type: "array", items: { type: "integer" } } },
      first: reference,
      rest: { type: "array", items: reference },
    },
  };
  assert.deepEqual(schemaTable(schema, { Named: named }, true).split("\n").slice(2), [
    "| `n` | integer (1 to 5) | required | Two lines. |",
    "| `top` | number (above 0, at most 1) | `0.5` |  |",
    "| `kind` | `a`, `b` |  |  |",
    "| `many` | list of texts (1 to 4) |  |  |",
    "| `grid` | list of lists of integers |  |  |",
    "| `first` | {`a`} |  |  |",
    "| `first.a` | text |  | x\\|y |",
    "| `rest` | like `first` |  |  |",
  ]);
});

test("a template that names what there is not is an error", () => {
  const document = {
    openapi: "3.1.0",
    info: { title: "", version: "" },
    paths: {},
    components: { schemas: {} },
  };
  assert.throws(() => apiPage("<!-- operation none -->", document), /none/);
  assert.throws(() => apiPage("<!-- nothing -->", document), /unknown marker/);
  assert.throws(() => configPage("no marker", SERVER_SETTINGS), /no <!-- settings -->/);
});
