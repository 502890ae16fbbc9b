// /openapi.json and /docs: that they say of every route what it takes and answers, and nothing that is not so.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteOptions } from "fastify";
import type { ZodType } from "zod";
import { parseKeyList } from "../../src/server/access/api-keys.ts";
import { buildApp } from "../../src/server/app.ts";
import { loadConfig, type ServerConfig } from "../../src/server/config.ts";
import { EXAMPLES } from "../../src/server/documentation/examples.ts";
import type {
  JsonSchema,
  OpenApiDocument,
  Operation,
} from "../../src/server/documentation/openapi-document.ts";
import { resolveSchema } from "../../src/server/documentation/shared-schemas.ts";
import { Metrics } from "../../src/server/observation/metrics.ts";
import { runTiny } from "./support/running-app.ts";
import { tinyStudent } from "./support/tiny-student.ts";

const KEY = "alices-secret-0123456789";

/** The document of an app, with the app's routes as Fastify has them. */
async function documentOf(config: Partial<ServerConfig> = {}) {
  const app = buildApp({
    student: tinyStudent(),
    config: { ...loadConfig(), ...config },
    metrics: new Metrics({ processMetrics: false }),
  });
  const routes: RouteOptions[] = [];
  app.addHook("onRoute", (route) => void routes.push(route));
  const { apiKeys } = app;
  const headers = apiKeys === null ? {} : { authorization: `Bearer ${KEY}` };
  const answer = await app.inject({ url: "/openapi.json", headers });
  const document = answer.json<OpenApiDocument>();
  await app.close();
  return { document, routes, operations: operationsOf(document) };
}

interface NamedOperation {
  readonly name: string;
  readonly operation: Operation;
}

function operationsOf({ paths }: OpenApiDocument): NamedOperation[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  );
}

const nameOf = ({ method, url }: RouteOptions) => `${method} ${url.replace(/:(\w+)/g, "{$1}")}`;

/** Every value of an object tree under a key. */
function valuesUnder(key: string, tree: unknown): unknown[] {
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([name, value]) => [
    ...(name === key ? [value] : []),
    ...valuesUnder(key, value),
  ]);
}

test("every route is in the document, and only files of pages are hidden", async () => {
  const { routes, operations } = await documentOf();
  const named = routes.filter(({ method }) => method !== "HEAD" && method !== "OPTIONS");
  const shown = named.filter(({ schema }) => !schema?.hide).map(nameOf);
  assert.ok(shown.length >= 15, shown.join(", "));
  assert.deepEqual(operations.map(({ name }) => name).sort(), shown.sort());
  for (const probe of ["GET /health", "GET /ready", "GET /metrics", "GET /v1/reason/ws"]) {
    assert.ok(shown.includes(probe), probe);
  }
  const hidden = named.filter(({ schema }) => schema?.hide).map(({ url }) => url);
  assert.deepEqual(
    hidden.filter((url) => !/^\/(docs|playground)\/[\w.-]+\.(js|css|svg|html)$/.test(url)),
    [],
  );
});

test("every operation has a name of its own, a tag, a summary, a description and its errors", async () => {
  const { document, routes, operations } = await documentOf();
  const ids = operations.map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  const tags = (document.tags ?? []).map((tag) => tag.name);
  for (const { name, operation } of operations) {
    assert.match(operation.operationId ?? "", /^[a-z]\w+$/, name);
    assert.ok(operation.summary && operation.description, name);
    assert.ok(operation.tags?.length === 1 && tags.includes(operation.tags[0] ?? ""), name);
    const route = routes.find((candidate) => nameOf(candidate) === name);
    const open = route?.config?.open ?? false;
    assert.deepEqual(operation.security, open ? [{}] : [{ bearer: [] }, { basic: [] }, {}], name);
    if (!open) assert.ok(operation.responses["401"], name);
    assert.equal("429" in operation.responses, !open, `${name}: only the probes are answered without limit`);
    assert.ok(operation.responses["500"], name);
    if (operation.requestBody) {
      for (const status of ["400", "413", "415"]) assert.ok(operation.responses[status], `${name} ${status}`);
    }
    for (const [status, response] of Object.entries(operation.responses)) {
      assert.ok(response.description, `${name} ${status}`);
      assert.doesNotMatch(response.description, /Default Response/, `${name} ${status}`);
      assert.ok(response.headers?.["X-Request-Id"], `${name} ${status}`);
      if (Number(status) < 400) continue;
      const schema = response.content?.["application/json"]?.schema;
      const probe = ["ProbeStatus", "ReadyStatus"].some(
        (one) => schema?.$ref === `#/components/schemas/${one}`,
      );
      if (!probe) assert.equal(schema?.$ref, "#/components/schemas/Error", `${name} ${status}`);
      if (!probe && ["429", "503"].includes(status)) assert.ok(response.headers?.["Retry-After"], name);
    }
  }
});

test("behaviours 7, 17, 27 and 29: the codes of inference routes are among their responses", async () => {
  const { document } = await documentOf();
  for (const path of ["/v1/reason", "/v1/chat/completions", "/v1/completions"]) {
    const { responses } = document.paths[path]?.post ?? assert.fail(path);
    for (const [status, code] of [
      ["404", "model_not_found"],
      ["400", "context_length_exceeded"],
      ["429", "queue_full"],
      ["429", "rate_limit_exceeded"],
      ["503", "queue_timeout"],
      ["503", "model_loading"],
    ] as const) {
      const example = responses[status]?.content?.["application/json"]?.examples?.[code];
      assert.deepEqual(valuesUnder("code", example), [code], `${path} ${status}`);
    }
    assert.ok(!("504" in responses), "a deadline cuts an answer short, and fails nothing");
    assert.ok(
      !JSON.stringify(responses).includes("unsupported"),
      "what is not implemented is found when it is loaded",
    );
  }
});

test("references lead somewhere, schemas are named once, and fields are described", async () => {
  const { document, operations } = await documentOf();
  const { schemas } = document.components;
  for (const reference of valuesUnder("$ref", document)) {
    const [, section = "", name = ""] =
      /^#\/components\/(schemas|headers)\/(.+)$/.exec(String(reference)) ?? [];
    const found = section === "schemas" ? schemas[name] : document.components.headers?.[name];
    assert.ok(found, String(reference));
  }
  assert.ok(!JSON.stringify(document).includes("$schema"));
  for (const { name, operation } of operations) {
    const body = operation.requestBody?.content["application/json"]?.schema;
    if (body === undefined) continue;
    const { schema } = resolveSchema(body, schemas);
    for (const [field, described] of Object.entries(schema.properties as Record<string, JsonSchema>)) {
      assert.ok(resolveSchema(described, schemas).schema.description, `${name}: ${field}`);
    }
  }
});

test("limits are those that requests are held to", async () => {
  const { document } = await documentOf({ maxSamples: 5 });
  const { ReasonRequest, CreateChatCompletionRequest } = document.components.schemas;
  const reason = ReasonRequest?.properties as Record<string, JsonSchema>;
  assert.equal(reason.samples?.maximum, 5);
  assert.equal(reason.samples?.default, 1);
  assert.equal(reason.temperature?.maximum, 2);
  assert.equal(ReasonRequest?.additionalProperties, false);
  assert.deepEqual(ReasonRequest?.required, ["question"]);
  assert.deepEqual(CreateChatCompletionRequest?.required, ["messages"]);
});

test("examples are what the schemas take and give, and there is one wherever there is JSON", async () => {
  const { document, routes } = await documentOf();
  for (const { schema, config } of routes) {
    const { operationId, body, response } = (schema ?? {}) as {
      operationId?: string;
      body?: ZodType;
      response?: { 200?: ZodType };
    };
    if (operationId === undefined || operationId === "getOpenApi") continue;
    const example = EXAMPLES[operationId];
    if (body) {
      const requests = Object.values(example?.requests ?? {});
      assert.ok(requests.length > 0, operationId);
      for (const { value } of requests) body.parse(value);
    }
    if (response?.[200] && "parse" in response[200]) {
      assert.ok(example?.response, operationId);
      assert.deepEqual(response[200].parse(example.response), example.response, operationId);
    }
    if (config?.eventStream) {
      assert.ok(example?.event, operationId);
      assert.deepEqual(config.eventStream.parse(example.event), example.event, operationId);
    }
  }
  const ids = operationsOf(document).map(({ operation }) => operation.operationId ?? "");
  assert.deepEqual(
    Object.keys(EXAMPLES).filter((id) => !ids.includes(id)),
    [],
  );
});

test("streams and the WebSocket show every frame", async () => {
  const { document } = await documentOf();
  const types = (schema: unknown) => {
    const { oneOf } = schema as { oneOf: JsonSchema[] };
    return oneOf.map((option) => {
      const { properties } = resolveSchema(option, document.components.schemas).schema;
      return (properties as { type: { const: string } }).type.const;
    });
  };
  const events = document.paths["/v1/reason"]?.post?.responses["200"]?.content?.["text/event-stream"];
  const answering = ["accepted", "token", "sample", "vote", "escalate"];
  const debating = ["debate", "call", "node", "missing", "round"];
  assert.deepEqual(types(events?.schema), [...answering, ...debating, "result", "error"]);
  const debates = document.paths["/v1/debate"]?.post?.responses["200"]?.content?.["text/event-stream"];
  assert.deepEqual(types(debates?.schema), [...debating, "debate_result", "error"]);
  const socket = document.paths["/v1/reason/ws"]?.get;
  assert.deepEqual(types(socket?.["x-websocket"]?.receives), [
    "reason",
    "debate",
    "cancel",
    "enough",
    "ping",
  ]);
  assert.deepEqual(types(socket?.["x-websocket"]?.sends), [
    ...[...answering, "result", ...debating, "debate_result"],
    ...["error", "pong"],
  ]);
  assert.ok(socket?.responses["101"]);
  for (const path of ["/v1/chat/completions", "/v1/completions"]) {
    const content = document.paths[path]?.post?.responses["200"]?.content;
    assert.ok(content?.["text/event-stream"]?.schema, path);
  }
});

test("GET /openapi.json is that document, and behaviour 22: with keys it needs one, and says so", async (t) => {
  const { server } = await runTiny(t);
  const { status, headers, body } = await server.get("/openapi.json");
  assert.equal(status, 200);
  assert.match(headers.get("content-type") ?? "", /^application\/json/);
  assert.equal(body.openapi, "3.1.0");
  assert.deepEqual(body, (await documentOf()).document);

  const apiKeys = parseKeyList(`alice:${KEY}`);
  const { server: locked } = await runTiny(t, { config: { apiKeys } });
  for (const path of ["/openapi.json", "/docs", "/docs/docs.js", "/docs/swagger-ui.css"]) {
    assert.equal((await locked.get(path)).status, 401, path);
    const authorization = `Basic ${Buffer.from(`me:${KEY}`).toString("base64")}`;
    assert.equal((await fetch(locked.url + path, { headers: { authorization } })).status, 200, path);
  }
  const { document } = await documentOf({ apiKeys });
  assert.deepEqual(document.paths["/v1/reason"]?.post?.security, [{ bearer: [] }, { basic: [] }]);
});

test("GET /docs brings all that it loads, under a policy that lets it load nothing else", async (t) => {
  const { server } = await runTiny(t);
  const { status, headers, body } = await server.get("/docs");
  assert.equal(status, 200);
  assert.match(headers.get("content-type") ?? "", /^text\/html/);
  const policy = headers.get("content-security-policy") ?? "";
  assert.match(policy, /script-src 'self'(;|$)/);
  assert.match(policy, /default-src 'none'/);
  const files = [...String(body).matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] ?? "");
  assert.equal(files.length, 4);
  for (const file of files.filter((name) => name !== "data:,")) {
    assert.doesNotMatch(file, /^(\w+:|\/)/);
    const response = await fetch(new URL(file, `${server.url}/docs`));
    assert.equal(response.status, 200, file);
    assert.match(response.headers.get("content-type") ?? "", /^text\/(css|javascript)/, file);
    assert.ok((await response.arrayBuffer()).byteLength > 500, file);
  }
  assert.doesNotMatch(String(body), /<script>|<style>|style=|onclick/);
});
