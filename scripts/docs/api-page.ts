// docs/api.md out of its template and the OpenAPI document: the template has the prose, the document the facts.
import { ERROR_CODES, type ErrorCode } from "../../src/base/errors.ts";
import type {
  JsonSchema,
  OpenApiDocument,
  Operation,
} from "../../src/server/documentation/openapi-document.ts";
import { resolveSchema } from "../../src/server/documentation/shared-schemas.ts";
import { shapeOf } from "../../src/server/transport/http-errors.ts";
import { cell, propertiesOf, schemaTable } from "./schema-table.ts";

const JSON_TYPE = "application/json";
const MARKER = /^<!-- (\w+)(?: (\w+))? -->$/gm;

interface Endpoint {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/**
 * A marker alone on its line is replaced: `endpoints`, `operation ID`, `example ID`, `frames ID`, `errors`, and
 * `others` for the operations that have no marker of their own.
 */
export function apiPage(template: string, document: OpenApiDocument): string {
  const endpoints = endpointsOf(document);
  const placed = new Set([...template.matchAll(MARKER)].map(([, , id]) => id));
  const find = (id: string | undefined): Endpoint => {
    const endpoint = endpoints.find(({ operation }) => operation.operationId === id);
    if (endpoint === undefined) throw new Error(`the template of docs/api.md names no operation: ${id}`);
    return endpoint;
  };
  const { schemas } = document.components;
  const page = template.replace(MARKER, (_marker, kind: string, id?: string) => {
    switch (kind) {
      case "endpoints":
        return endpointTable(endpoints);
      case "operation":
        return operationText(find(id), schemas);
      case "example":
        return exampleText(find(id));
      case "frames":
        return frameTables(find(id).operation, schemas);
      case "others":
        return endpoints
          .filter(({ operation }) => !placed.has(operation.operationId))
          .map((endpoint) => `### ${heading(endpoint)}\n\n${operationText(endpoint, schemas)}`)
          .join("\n\n");
      case "errors":
        return errorTable();
      default:
        throw new Error(`the template of docs/api.md has an unknown marker: ${kind}`);
    }
  });
  return `${GENERATED}\n${page}`;
}

const GENERATED =
  "<!-- Made by npm run docs from docs/templates/api.md and the schemas of src/server: edit those. -->";

/** In the order of the tags, and of the routes under each. */
function endpointsOf({ paths, tags = [] }: OpenApiDocument): Endpoint[] {
  const rank = ({ operation }: Endpoint) => tags.findIndex(({ name }) => name === operation.tags?.[0]);
  const endpoints = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );
  return endpoints.sort((a, b) => rank(a) - rank(b));
}

function heading({ method, path }: Endpoint): string {
  return `\`${method} ${path}\``;
}

function endpointTable(endpoints: readonly Endpoint[]): string {
  const rows = endpoints.map(
    (endpoint) => `| ${heading(endpoint)} | ${cell(endpoint.operation.summary ?? "")} |`,
  );
  return ["| endpoint | what it does |", "|---|---|", ...rows].join("\n");
}

function operationText({ operation }: Endpoint, schemas: Readonly<Record<string, JsonSchema>>): string {
  const body = operation.requestBody?.content[JSON_TYPE]?.schema;
  const answer = operation.responses["200"]?.content?.[JSON_TYPE]?.schema;
  const described = answer !== undefined && resolveSchema(answer, schemas).schema.properties !== undefined;
  return [
    operation.description ?? "",
    parameterList(operation),
    ...(body === undefined ? [] : [schemaTable(body, schemas, true)]),
    ...(described ? ["The answer:", schemaTable(answer, schemas, false)] : []),
    errorLine(operation),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function parameterList({ parameters = [] }: Operation): string {
  return parameters.map(({ name, description }) => `\`{${name}}\`: ${description}`).join("\n");
}

/** Statuses with their codes; 500 is everywhere. */
function errorLine({ responses }: Operation): string {
  const statuses = Object.entries(responses).flatMap(([status, { content }]) => {
    if (Number(status) < 400 || status === "500") return [];
    const names = Object.keys(content?.[JSON_TYPE]?.examples ?? {}).filter(
      (name) => !name.endsWith("_error"),
    );
    const codes = names.map((name) => `\`${name}\``).join(", ");
    return [codes === "" ? status : `${status} (${codes})`];
  });
  return statuses.length === 0 ? "" : `Errors: ${statuses.join(", ")}.`;
}

function exampleText({ method, path, operation }: Endpoint): string {
  const [request] = Object.values(operation.requestBody?.content[JSON_TYPE]?.examples ?? {});
  const answer = operation.responses["200"]?.content?.[JSON_TYPE]?.example;
  const sent =
    request === undefined
      ? ""
      : ` -H 'content-type: application/json' \\\n  -d '${JSON.stringify(request.value)}'`;
  const verb = method === "GET" || request !== undefined ? "" : ` -X ${method}`;
  return [
    "```sh",
    `curl -s${verb} http://127.0.0.1:8080${path}${sent}`,
    "```",
    "",
    "```json",
    JSON.stringify(answer, null, 2),
    "```",
  ].join("\n");
}

function frameTables(operation: Operation, schemas: Readonly<Record<string, JsonSchema>>): string {
  const protocol = operation["x-websocket"];
  const events = operation.responses["200"]?.content?.["text/event-stream"]?.schema;
  if (protocol !== undefined) {
    return [
      "What a client sends:",
      frameTable(protocol.receives, schemas),
      "What the server sends:",
      frameTable(protocol.sends, schemas),
    ].join("\n\n");
  }
  if (events === undefined) throw new Error(`${operation.operationId} has no frames`);
  return frameTable(events, schemas);
}

function frameTable(frames: JsonSchema, schemas: Readonly<Record<string, JsonSchema>>): string {
  const options = (frames.oneOf ?? frames.anyOf ?? []) as JsonSchema[]; // a union of frames
  const rows = options.map((option) => {
    const { schema } = resolveSchema(option, schemas);
    const { type, ...fields } = propertiesOf(schema);
    const names = Object.keys(fields).map((name) => `\`${name}\``);
    return `| \`${String(type?.const)}\` | ${names.join(", ")} | ${cell(String(schema.description ?? ""))} |`;
  });
  return ["| type | fields | |", "|---|---|---|", ...rows].join("\n");
}

/** Every code that a client may see, and one row for all that are of the server's inside. */
function errorTable(): string {
  const internal = shapeOf("MAGDI_BAD_GRAPH");
  const rows = Object.entries(ERROR_CODES).flatMap(([name, text]) => {
    const meaning: string = text;
    const shape = shapeOf(name as ErrorCode); // the keys of the registry
    return shape === internal ? [] : [{ ...shape, meaning }];
  });
  rows.push({ ...internal, meaning: "anything else that is the server's fault; the log has the cause" });
  rows.sort((a, b) => a.status - b.status || (a.code ?? "").localeCompare(b.code ?? ""));
  return [
    "| status | type | code | when |",
    "|---|---|---|---|",
    ...rows.map(
      ({ status, type, code, meaning }) =>
        `| ${status} | \`${type}\` | ${code === null ? "" : `\`${code}\``} | ${cell(meaning)} |`,
    ),
  ].join("\n");
}
