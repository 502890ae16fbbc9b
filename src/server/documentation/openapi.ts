// Generates the OpenAPI document from the app's routes and their schemas. Import it on first use: it is slow to load.
import fastifySwagger from "@fastify/swagger";
import Fastify from "fastify";
import { createJsonSchemaTransform } from "fastify-type-provider-zod";
import { type ZodType, z } from "zod";
import { packageVersion } from "../../base/package-files.ts";
import { errorResponse } from "../transport/error-schema.ts";
import { errorResponsesOf } from "./error-responses.ts";
import { EXAMPLES } from "./examples.ts";
import type { JsonSchema, OpenApiDocument, Operation, ResponseObject } from "./openapi-document.ts";
import { type DescribedRoute, endpointOf } from "./route-list.ts";
import { shareSchemas } from "./shared-schemas.ts";

const JSON_TYPE = "application/json";
const TARGET = { target: "draft-2020-12", unrepresentable: "any" } as const;

const DESCRIPTION = `A small student language model that answers by voting over samples of its own reasoning.

Every response has an \`x-request-id\`, which is also in the server's log; a client may send its own. All errors have
OpenAI's shape. If API keys are set, every request except the probes needs one.`;

const TAGS = [
  { name: "Reasoning", description: "Questions in, voted answers out." },
  { name: "OpenAI", description: "OpenAI's API, with vLLM's extensions." },
  { name: "Models", description: "The served model, its tokenizer, and the baselines for its costs." },
  { name: "Operations", description: "Probes, metrics and documentation." },
];

/** The document of an app with these routes; `keysOptional` says that no API keys are set. */
export async function describeApi(
  routes: readonly DescribedRoute[],
  keysOptional: boolean,
): Promise<OpenApiDocument> {
  // The plugin has to be registered before the routes it describes, so they are registered again in a second app.
  const app = Fastify();
  const transform = createJsonSchemaTransform({ zodToJsonConfig: TARGET });
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => JSON.stringify);
  await app.register(fastifySwagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "magdi", version: packageVersion(), description: DESCRIPTION, license: LICENSE },
      servers: [{ url: "/" }],
      tags: TAGS,
      components: COMPONENTS,
    },
    // OpenAPI 3.1 has JSON Schema's const.
    convertConstToEnum: false,
    transform,
  });
  for (const { method, url, schema = {}, config = {} } of routes) {
    app.route({ method, url, schema, config, exposeHeadRoute: false, handler: async () => "" });
  }
  await app.ready();
  // The plugin's type also allows OpenAPI 2 and 3.0; this is 3.1.
  const document = structuredClone(app.swagger()) as unknown as OpenApiDocument;
  await app.close();
  return complete(document, routes, keysOptional);
}

const LICENSE = { name: "Apache-2.0", identifier: "Apache-2.0" };

const COMPONENTS = {
  securitySchemes: {
    bearer: {
      type: "http" as const,
      scheme: "bearer",
      description:
        "An API key. Alternatives: the header `x-api-key`, and for WebSockets the subprotocol `magdi.key.` followed by the key in base64url.",
    },
    basic: {
      type: "http" as const,
      scheme: "basic",
      description: "For browsers: any user name, with an API key as the password.",
    },
  },
  headers: {
    "X-Request-Id": {
      description: "The request's id in the server's log.",
      schema: { type: "string" as const },
    },
    "Retry-After": {
      description: "Seconds to wait before retrying, if retrying may help.",
      schema: { type: "integer" as const, minimum: 0 },
    },
  },
};

function complete(
  document: OpenApiDocument,
  routes: readonly DescribedRoute[],
  keysOptional: boolean,
): OpenApiDocument {
  const schemas = new Map<string, JsonSchema>();
  shareSchemas(schemaOf(errorResponse, "output"), schemas);
  const paths = Object.entries(document.paths).map(([path, operations]) => {
    const completed = Object.entries(operations).map(([method, operation]) => {
      const name = `${method.toUpperCase()} ${path}`;
      const route = routes.find((candidate) => endpointOf(candidate) === name);
      if (route === undefined) throw new Error(`no route ${name}`);
      return [method, completeOperation(operation, route, keysOptional)];
    });
    return [path, shareSchemas(Object.fromEntries(completed), schemas)];
  });
  const sorted = [...schemas].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...document,
    paths: Object.fromEntries(paths),
    components: { ...document.components, schemas: Object.fromEntries(sorted) },
  };
}

function completeOperation(operation: Operation, route: DescribedRoute, keysOptional: boolean): Operation {
  const { config } = route;
  const { operationId = "" } = operation;
  const name = operationId.charAt(0).toUpperCase() + operationId.slice(1);
  const examples = EXAMPLES[operationId];
  const body = operation.requestBody?.content[JSON_TYPE];
  if (body?.schema) {
    body.schema = titled(body.schema, `${name}Request`);
    if (examples?.requests) body.examples = examples.requests;
  }
  const answer = operation.responses["200"]?.content?.[JSON_TYPE];
  if (answer?.schema) {
    answer.schema = titled(answer.schema, `${name}Response`);
    if (examples?.response) answer.example = examples.response;
  }
  const responses = { ...operation.responses };
  for (const [status, response] of Object.entries(errorResponsesOf(route))) responses[status] ??= response;
  if (config?.eventStream) {
    const ok = responses["200"];
    if (ok === undefined) throw new Error(`${operationId} streams, and has no response 200`);
    ok.content = { ...ok.content, "text/event-stream": streamOf(config.eventStream, examples?.event) };
  }
  if (config?.webSocket) responses["101"] = { description: "The connection switches to WebSocket." };
  for (const response of Object.values(responses)) {
    response.headers = { "X-Request-Id": { $ref: "#/components/headers/X-Request-Id" }, ...response.headers };
  }
  return {
    ...operation,
    responses: describedInOrder(responses),
    security: config?.open ? [{}] : [{ bearer: [] }, { basic: [] }, ...(keysOptional ? [{}] : [])],
    ...(config?.webSocket
      ? {
          "x-websocket": {
            subprotocols: ["magdi"],
            receives: schemaOf(config.webSocket.receives, "input"),
            sends: schemaOf(config.webSocket.sends, "output"),
          },
        }
      : {}),
  };
}

function streamOf(frame: ZodType, example: unknown) {
  return { schema: schemaOf(frame, "output"), ...(example === undefined ? {} : { example }) };
}

function describedInOrder(responses: Record<string, ResponseObject>): Record<string, ResponseObject> {
  const entries = Object.entries(responses).sort(([a], [b]) => Number(a) - Number(b));
  for (const [status, response] of entries) {
    if (response.description === "Default Response") {
      response.description = status.startsWith("2") ? "Success." : "An error.";
    }
  }
  return Object.fromEntries(entries);
}

/** Names object schemas, so that generated clients have names for their types. */
function titled(schema: JsonSchema, title: string): JsonSchema {
  return schema.type === "object" ? { title, ...schema } : schema;
}

function schemaOf(schema: ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { ...TARGET, io });
  return rest;
}
