// Finish reasons as the API shows them.
import type { FinishReason } from "../base/finish-reason.ts";

/** `abort`: a deadline, a shutdown or a disconnect; `cancelled`: the vote or the client no longer needed the sample. */
export function wireFinishReason(reason: FinishReason): "stop" | "length" | "abort" | "cancelled" {
  switch (reason) {
    case "stop":
    case "length":
      return reason;
    case "decided":
    case "cancelled":
      return "cancelled";
    case "disconnect":
    case "deadline":
    case "shutdown":
      return "abort";
  }
}

/** The same for OpenAI completions, which have no `cancelled`. */
export function completionFinishReason(reason: FinishReason): "stop" | "length" | "abort" {
  const finish = wireFinishReason(reason);
  return finish === "cancelled" ? "abort" : finish;
}
