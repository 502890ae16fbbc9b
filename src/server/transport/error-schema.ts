// How every error looks: OpenAI's shape. It knows no error.
import { z } from "zod";

/** Details such as prompt_tokens stand beside the four fields. */
export const errorDetail = z
  .object({
    message: z.string().describe("What was expected, what was found, and what to do."),
    type: z
      .string()
      .describe(
        "invalid_request_error, authentication_error, permission_error, rate_limit_error or server_error.",
      ),
    param: z.string().nullable().describe("The request's field that is to blame, such as messages[0].role."),
    code: z.string().nullable().describe("What exactly is wrong, where there is a name for it."),
  })
  .catchall(z.union([z.string(), z.number(), z.null()]))
  .meta({ title: "ErrorDetail" });

export const errorResponse = z
  .object({ error: errorDetail })
  .meta({ title: "Error", description: "Every error, whatever the route." });
