// From a body's bytes to JSON: what is not UTF-8 is refused, never mended in silence. It knows no schema.
import { isUtf8 } from "node:buffer";
import type { FastifyInstance } from "fastify";
import { MagdiError } from "../../base/errors.ts";

/** Everything is JSON: a form or plain text is answered 415 rather than misread. */
export function installJsonBodies(app: FastifyInstance): void {
  app.removeContentTypeParser("text/plain");
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    if (isUtf8(body)) parse(request, body.toString("utf8"), done);
    else done(new MagdiError("MAGDI_BAD_REQUEST", "the body is not UTF-8 text; is it compressed?"));
  });
}
