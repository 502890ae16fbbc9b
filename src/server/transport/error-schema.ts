// The schema of all error responses, in OpenAI's shape.
import { z } from "zod";

/** Some errors have further details, such as prompt_tokens. */
export const errorDetail = z
  .object({
    message: z.string().describe("What was expected, what was found, and what to do."),
    type: z
      .string()
      .describe(
        "invalid_request_error, authentication_error, permission_error, rate_limit_error or server_error.",
      ),
    param: z.string().nullable().describe("The field that caused the error, such as messages[0].role."),
    code: z.string().nullable().describe("A machine-readable code; null if there is none."),
  })
  .catchall(z.union([z.string(), z.number(), z.null()]))
  .meta({ title: "ErrorDetail" });

export const errorResponse = z
  .object({ error: errorDetail })
  .meta({ title: "Error", description: "The body of every error response." });
