// Finish reasons as clients see them.
import type { FinishReason } from "../base/finish-reason.ts";

/** Deadlines, shutdowns and lost clients abort; `cancelled` is a sample that the vote or its caller no longer needed. */
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

/** The same for completions, which know no `cancelled`. */
export function completionFinishReason(reason: FinishReason): "stop" | "length" | "abort" {
  const finish = wireFinishReason(reason);
  return finish === "cancelled" ? "abort" : finish;
}
