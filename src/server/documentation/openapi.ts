// The OpenAPI document of an app, out of its routes and their schemas. It knows no route by name. To be loaded when the
// document is first asked for: a server starts without it.
import fastifySwagger from "@fastify/swagger";
import Fastify from "fastify";
import { createJsonSchemaTransform } from "fastify-type-provider-zod";
import { type ZodType, z } from "zod";
import { packageVersion } from "../../base/package-version.ts";
import { errorResponse } from "../transport/error-schema.ts";
import { errorResponsesOf } from "./error-responses.ts";
import { EXAMPLES } from "./examples.ts";
import type { JsonSchema, OpenApiDocument, Operation, ResponseObject } from "./openapi-document.ts";
import type { DescribedRoute } from "./route-list.ts";
import { shareSchemas } from "./shared-schemas.ts";

const JSON_TYPE = "application/json";
const TARGET = { target: "draft-2020-12", unrepresentable: "any" } as const;

const DESCRIPTION = `A small student language model that answers by voting over samples of its own reasoning.

Every response carries \`x-request-id\`, which the server's log knows the request by; a harmless one that a client sends
is kept. Errors have one shape, OpenAI's. Where API keys are set, every request but the probes needs one.`;

const TAGS = [
  { name: "Reasoning", description: "Questions in, voted answers out." },
  { name: "OpenAI", description: "What OpenAI's clients speak, with vLLM's additions." },
  { name: "Models", description: "What is served, its tokens, and what its answers are compared with." },
  { name: "Operations", description: "For those who run the server." },
];

/** The document of an app with these routes; `keysOptional` is whether they answer without an API key. */
export async function describeApi(
  routes: readonly DescribedRoute[],
  keysOptional: boolean,
): Promise<OpenApiDocument> {
  // The plugin describes the app that it is in: one that nobody calls, so that the served app starts without it.
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
    // OpenAPI 3.1 is JSON Schema, which has const.
    convertConstToEnum: false,
    transform,
  });
  for (const { method, url, schema = {}, config = {} } of routes) {
    app.route({ method, url, schema, config, exposeHeadRoute: false, handler: async () => "" });
  }
  await app.ready();
  // The plugin's own type allows for OpenAPI 3.0 too, of which nothing is left here.
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
        "An API key; `x-api-key` carries one too, and a WebSocket the subprotocol `magdi.key.` followed by the key in base64url.",
    },
    basic: {
      type: "http" as const,
      scheme: "basic",
      description: "An API key as the password of any user name, for browsers.",
    },
  },
  headers: {
    "X-Request-Id": { description: "The request's name in the log.", schema: { type: "string" as const } },
    "Retry-After": {
      description: "Seconds after which to come again, where that helps.",
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
      const route = routes.find((candidate) => nameOf(candidate) === name);
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
  if (config?.webSocket) responses["101"] = { description: "From here on the connection speaks WebSocket." };
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

function nameOf({ method, url }: DescribedRoute): string {
  return `${method} ${url.replace(/:(\w+)/g, "{$1}")}`;
}

function streamOf(frame: ZodType, example: unknown) {
  return { schema: schemaOf(frame, "output"), ...(example === undefined ? {} : { example }) };
}

function describedInOrder(responses: Record<string, ResponseObject>): Record<string, ResponseObject> {
  const entries = Object.entries(responses).sort(([a], [b]) => Number(a) - Number(b));
  for (const [status, response] of entries) {
    if (response.description === "Default Response") {
      response.description = status.startsWith("2") ? "The answer." : "What is wrong.";
    }
  }
  return Object.fromEntries(entries);
}

/** Objects get a name, so that generated clients have one for their types. */
function titled(schema: JsonSchema, title: string): JsonSchema {
  return schema.type === "object" ? { title, ...schema } : schema;
}

function schemaOf(schema: ZodType, io: "input" | "output"): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { ...TARGET, io });
  return rest;
}
