// Moves titled schemas to the OpenAPI document's components and replaces their uses with references.
import type { JsonSchema } from "./openapi-document.ts";

/** Keys whose values are data, not schemas. */
const VALUES = new Set(["example", "examples", "default", "enum", "const", "required", "info"]);
const PREFIX = "#/components/schemas/";

/**
 * Returns `value` with references in place of titled schemas, which are added to `schemas`.
 *
 * @throws Error if two different schemas have the same title
 */
export function shareSchemas<T>(value: T, schemas: Map<string, JsonSchema>): T {
  return shared(value, schemas) as T; // a schema and a reference to it have the same type
}

function shared(value: unknown, schemas: Map<string, JsonSchema>): unknown {
  if (Array.isArray(value)) return value.map((item) => shared(item, schemas));
  if (typeof value !== "object" || value === null) return value;
  const walked: JsonSchema = Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, VALUES.has(key) ? child : shared(child, schemas)]),
  );
  const { title, ...schema } = walked;
  if (typeof title !== "string") return walked;
  const known = schemas.get(title);
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(schema)) {
    throw new Error(`two different schemas have the title ${title}; give one of them another`);
  }
  schemas.set(title, schema);
  return { $ref: PREFIX + title };
}

/** Resolves a reference; returns any other schema as it is. */
export function resolveSchema(
  schema: JsonSchema,
  schemas: Readonly<Record<string, JsonSchema>>,
): { readonly name: string | null; readonly schema: JsonSchema } {
  if (typeof schema.$ref !== "string") return { name: null, schema };
  const name = schema.$ref.slice(PREFIX.length);
  const found = schemas[name];
  if (found === undefined) throw new Error(`no schema ${schema.$ref}`);
  return { name, schema: found };
}
