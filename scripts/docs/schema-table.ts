// A JSON schema as a table of its fields, nested ones by their path. It knows no endpoint.
import type { JsonSchema } from "../../src/server/documentation/openapi-document.ts";
import { resolveSchema } from "../../src/server/documentation/shared-schemas.ts";

export type Schemas = Readonly<Record<string, JsonSchema>>;

interface Field {
  readonly path: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
  /** The path of a field with the same fields, which are not repeated. */
  readonly like: string | null;
}

/** Bounds that only keep nonsense out are not worth a reader's time. */
const LARGEST_SHOWN = 1e8;

/** `sent` for what a client sends: fields have defaults there, and null counts as left out. */
export function schemaTable(schema: JsonSchema, schemas: Schemas, sent: boolean): string {
  const rows = fieldsOf(schema, schemas, "", new Map()).map(({ path, schema: field, required, like }) => {
    const type = like === null ? typeText(field, schemas) : `like \`${like}\``;
    const given = field.default === undefined ? "" : code(field.default);
    const cells = [
      `\`${path}\``,
      sent ? type.replace(/ or null$/, "") : type,
      ...(sent ? [required ? "required" : given] : []),
      cell(String(field.description ?? "")),
    ];
    return `| ${cells.join(" | ")} |`;
  });
  const head = sent ? "| field | type | default | |\n|---|---|---|---|" : "| field | type | |\n|---|---|---|";
  return [head, ...rows].join("\n");
}

/** The fields of an object and of the objects in it; `seen` are the named schemas by where their fields stand. */
function fieldsOf(
  schema: JsonSchema,
  schemas: Schemas,
  prefix: string,
  seen: Map<JsonSchema, string>,
): Field[] {
  const object = objectOf(schema, schemas);
  if (object === null) return [];
  const required = Array.isArray(object.schema.required) ? object.schema.required : [];
  return Object.entries(propertiesOf(object.schema)).flatMap(([name, property]) => {
    const { $ref: _, ...beside } = property;
    const { schema: resolved } = resolveSchema(property, schemas);
    const inner = objectOf(resolved, schemas);
    const path = prefix + name;
    const like = inner === null ? null : (seen.get(inner.schema) ?? null);
    const field = { path, schema: { ...resolved, ...beside }, required: required.includes(name), like };
    if (inner === null || like !== null) return [field];
    seen.set(inner.schema, path + inner.suffix);
    return [field, ...fieldsOf(inner.schema, schemas, `${path}${inner.suffix}.`, seen)];
  });
}

export function propertiesOf(schema: JsonSchema): Readonly<Record<string, JsonSchema>> {
  return (schema.properties ?? {}) as Record<string, JsonSchema>; // as JSON Schema has it
}

/** The object with fields in a schema: itself, one in a list, or one beside null. */
function objectOf(schema: JsonSchema, schemas: Schemas): { schema: JsonSchema; suffix: string } | null {
  const { schema: resolved } = resolveSchema(schema, schemas);
  if (resolved.properties !== undefined) return { schema: resolved, suffix: "" };
  if (typeof resolved.items === "object" && resolved.items !== null) {
    const inner = objectOf(resolved.items as JsonSchema, schemas);
    return inner === null ? null : { schema: inner.schema, suffix: `[]${inner.suffix}` };
  }
  const options = optionsOf(resolved).filter((option) => option.type !== "null");
  const objects = options.flatMap((option) => objectOf(option, schemas) ?? []);
  return objects[0] !== undefined && objects.length === 1 && options.length === 1 ? objects[0] : null;
}

function optionsOf(schema: JsonSchema): readonly JsonSchema[] {
  const options = schema.anyOf ?? schema.oneOf ?? [];
  return Array.isArray(options) ? options : [];
}

/** A schema's type in words, with its range. */
export function typeText(given: JsonSchema, schemas: Schemas): string {
  const { schema } = resolveSchema(given, schemas);
  if (schema.const !== undefined) return code(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map(code).join(", ");
  const options = optionsOf(schema);
  if (options.length > 0) {
    return [...new Set(options.map((option) => typeText(option, schemas)))].join(" or ");
  }
  if (Array.isArray(schema.type)) {
    return schema.type.map((type) => typeText({ ...schema, type }, schemas)).join(" or ");
  }
  switch (schema.type) {
    case "integer":
    case "number":
      return schema.type + rangeText(schema);
    case "string":
      return `text${sizeText(schema.minLength, schema.maxLength, "character")}`;
    case "array": {
      const items = (schema.items ?? {}) as JsonSchema; // as JSON Schema has it
      // How large each may be is in the document; a table that says it twice is hard to read.
      return `list of ${plural(typeText(items, schemas).replaceAll(/ \([^)]*\)/g, ""))}${sizeText(schema.minItems, schema.maxItems, "")}`;
    }
    case "object":
      if (schema.properties !== undefined) return inlineObject(schema, schemas);
      return "object";
    case "boolean":
      return "true or false";
    case "null":
      return "null";
    default:
      return "anything";
  }
}

/** Small objects that are one of several options are written out, as nobody lists their fields. */
function inlineObject(schema: JsonSchema, schemas: Schemas): string {
  const names = Object.keys(propertiesOf(schema));
  return names.length <= 3 && schemas !== undefined
    ? `{${names.map((name) => `\`${name}\``).join(", ")}}`
    : "object";
}

function rangeText({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: JsonSchema): string {
  const shown = (bound: unknown) => typeof bound === "number" && Math.abs(bound) < LARGEST_SHOWN;
  if (shown(minimum) && shown(maximum)) return ` (${minimum} to ${maximum})`;
  const parts = [
    shown(minimum) ? `at least ${minimum}` : "",
    shown(exclusiveMinimum) ? `above ${exclusiveMinimum}` : "",
    shown(maximum) ? `at most ${maximum}` : "",
    shown(exclusiveMaximum) ? `below ${exclusiveMaximum}` : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

function sizeText(min: unknown, max: unknown, unit: string): string {
  const units = unit === "" ? "" : ` ${unit}s`;
  if (typeof min === "number" && typeof max === "number") return ` (${min} to ${max}${units})`;
  if (typeof max === "number") return ` (at most ${max}${units})`;
  if (typeof min === "number" && min > 1) return ` (at least ${min}${units})`;
  return typeof min === "number" && unit !== "" ? " (not empty)" : "";
}

function plural(type: string): string {
  return type.replace(/^(text|integer|number|object|list)\b/, "$1s");
}

function code(value: unknown): string {
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

/** Text in a table: one line, and no bar that ends the cell. */
export function cell(text: string): string {
  return text.replaceAll("\n", " ").replaceAll("|", "\\|");
}
