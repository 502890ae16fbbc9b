// What every refusal must be: OpenAI's error shape, bounded, with a request id and no word of the inside.
import assert from "node:assert/strict";
import type { Answer, RunningApp } from "./running-app.ts";

const MAX_BODY_BYTES = 32_768;

/** `param` undefined: any. */
export function assertRefused(
  { status, body, headers }: Answer,
  expectedStatus: number,
  param?: string | null,
): void {
  const text = JSON.stringify(body);
  assert.equal(status, expectedStatus, text);
  assert.ok(headers.get("x-request-id"));
  assert.match(headers.get("content-type") ?? "", /^application\/json/);
  const { message, type, code } = body.error;
  assert.equal(typeof message, "string");
  assert.notEqual(message, "");
  assert.equal(typeof type, "string");
  assert.ok(code === null || typeof code === "string");
  assert.ok("param" in body.error);
  if (param !== undefined) assert.equal(body.error.param, param, message);
  assert.ok(Buffer.byteLength(text) < MAX_BODY_BYTES);
  assert.doesNotMatch(text, /node_modules|\.ts:|at \w+ \(/);
}

/** Each case: a body's fields, and the param that the refusal names. */
export async function refuseAll(
  server: RunningApp,
  path: string,
  base: object,
  cases: readonly (readonly [object, string | null])[],
): Promise<void> {
  for (const [fields, param] of cases) {
    assertRefused(await server.post(path, { ...base, ...fields }), 400, param);
  }
}
