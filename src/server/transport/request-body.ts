// Parses and validates request bodies: JSON only, checked against a Zod schema, with one error message of bounded length
// that names the field.

import { isUtf8 } from "node:buffer";
import type { FastifyInstance, FastifySchemaCompiler } from "fastify";
import type { core, ZodType } from "zod";
import { MagdiError } from "../../base/errors.ts";
import { isDeeperThan } from "../../base/json-depth.ts";
import { type BodyOptions, installBodyReading } from "./compressed-body.ts";

/** More than any real request has. Checked before validation. */
const MAX_VALUES = 50_000;
const MAX_DEPTH = 64;
const MAX_SHOWN_ISSUES = 5;

/** Fastify's validator compiler for Zod schemas. Its errors are MagdiErrors with `param`. */
export const compileValidator: FastifySchemaCompiler<ZodType> = ({ schema, httpPart }) => {
  return (value: unknown) => {
    try {
      return { value: httpPart === "body" ? parseBody(schema, value) : parseRequest(schema, value) };
    } catch (error) {
      if (error instanceof MagdiError) return { error };
      throw error;
    }
  };
};

/**
 * Validates a body of an HTTP request or a WebSocket frame.
 *
 * @throws MagdiError MAGDI_BAD_REQUEST naming the first invalid field; also for too many values or too deep nesting
 */
export function parseBody<T>(schema: ZodType<T>, body: unknown): T {
  assertBounded(body);
  return parseRequest(schema, body);
}

/** @throws MagdiError MAGDI_BAD_REQUEST naming the first invalid field */
function parseRequest<T>(schema: ZodType<T>, value: unknown): T {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new MagdiError("MAGDI_BAD_REQUEST", `expected a JSON object, found ${kindOf(value)}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(describe);
  const shown = issues.slice(0, MAX_SHOWN_ISSUES).map((issue) => issue.text);
  if (issues.length > shown.length) shown.push(`and ${issues.length - shown.length} more`);
  const param = issues[0]?.param;
  throw new MagdiError("MAGDI_BAD_REQUEST", shown.join("; "), param === undefined ? {} : { param });
}

/** Looks at the brackets of JSON that is still to be parsed. @throws MagdiError MAGDI_BAD_REQUEST */
export function assertShallow(json: string): void {
  if (isTooDeep(json)) throw tooDeep();
}

function isTooDeep(json: string | Uint8Array): boolean {
  // The body itself is level 0.
  return isDeeperThan(json, MAX_DEPTH + 1);
}

function tooDeep(): MagdiError {
  return new MagdiError("MAGDI_BAD_REQUEST", `the body is nested deeper than ${MAX_DEPTH} levels`);
}

/** Rejects bodies that are so large or deeply nested that validating them would be expensive. */
function assertBounded(body: unknown): void {
  let values = 0;
  let level: unknown[] = [body];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) {
      throw tooDeep();
    }
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value !== "object" || value === null) continue;
      const children: unknown[] = Array.isArray(value) ? value : Object.values(value);
      values += children.length;
      if (values > MAX_VALUES) {
        throw new MagdiError("MAGDI_BAD_REQUEST", `the body has more than ${MAX_VALUES} values`);
      }
      for (const child of children) next.push(child);
    }
    level = next;
  }
}

interface DescribedIssue {
  readonly param: string | undefined;
  readonly text: string;
}

function describe(issue: core.$ZodIssue): DescribedIssue {
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    const param = pathOf([...issue.path, key]);
    return { param: param.slice(0, 200), text: `${shorten(param)}: unknown field` };
  }
  const inner = deepestOfUnion(issue);
  if (inner !== null) return describe(inner);
  const param = pathOf(issue.path);
  return {
    param: param === "" ? undefined : param.slice(0, 200),
    text: `${param === "" ? "body" : shorten(param)}: ${issue.message}`,
  };
}

/** The issue of the union branch that matched furthest: for [{role: 1}] against string-or-list, the one about role. */
function deepestOfUnion(issue: core.$ZodIssue): core.$ZodIssue | null {
  if (issue.code !== "invalid_union") return null;
  let deepest: core.$ZodIssue | null = null;
  for (const branch of issue.errors) {
    const first = branch[0];
    if (first !== undefined && isFurther(first.path, deepest?.path ?? [])) deepest = first;
  }
  return deepest === null ? null : { ...deepest, path: [...issue.path, ...deepest.path] };
}

/** Whether a path is deeper, or as deep with a greater index. */
function isFurther(path: readonly PropertyKey[], than: readonly PropertyKey[]): boolean {
  if (path.length !== than.length) return path.length > than.length;
  const differs = path.findIndex((part, index) => part !== than[index]);
  return differs >= 0 && Number(path[differs]) > Number(than[differs]);
}

function pathOf(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += text === "" ? String(part) : `.${String(part)}`;
  }
  return text;
}

function shorten(text: string): string {
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return value === null ? "null" : "nothing";
  return Array.isArray(value) ? "a list" : `a ${typeof value}`;
}

/** Accepts JSON bodies only, compressed ones too; other content types and encodings are answered 415. */
export function installJsonBodies(app: FastifyInstance, options: BodyOptions): void {
  installBodyReading(app, options);
  app.removeContentTypeParser("text/plain");
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    if (!isUtf8(body))
      done(new MagdiError("MAGDI_BAD_REQUEST", "the body is not UTF-8 text; is it compressed?"));
    else if (isTooDeep(body)) done(tooDeep());
    else parse(request, body.toString("utf8"), done);
  });
}
