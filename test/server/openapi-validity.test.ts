// /openapi.json against OpenAPI's own schema of such documents.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Validator } from "@seriousme/openapi-schema-validator";
import { runTiny } from "./support/running-app.ts";

test("the document is valid OpenAPI 3.1", async (t) => {
  const { server } = await runTiny(t);
  const { body } = await server.get("/openapi.json");
  const validator = new Validator();
  const { valid, errors } = await validator.validate(body);
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(validator.version, "3.1");
  delete body.paths["/v1/reason"].post.responses;
  body.paths["/v1/reason"].post.operationId = 7;
  assert.equal((await new Validator().validate(body)).valid, false);
});
