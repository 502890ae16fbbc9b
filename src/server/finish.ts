// How an engine's finish reasons read elsewhere: in OpenAI's words, in the ledger's, and for a whole request.
import type { FinishReason, SampleResult } from "../engine/request.ts";
import type { DiscardReason } from "../voting/ledger.ts";

export type ApiFinishReason = "stop" | "length" | "abort" | "cancelled";

/** Deadlines, shutdowns and lost clients abort; `cancelled` is a sample that the vote or its caller no longer needed. */
export function apiFinishReason(reason: FinishReason): ApiFinishReason {
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

/** As completions say it: a sample that its caller cancelled was aborted. */
export function completionFinish(reason: FinishReason): "stop" | "length" | "abort" {
  const finish = apiFinishReason(reason);
  return finish === "cancelled" ? "abort" : finish;
}

/** Why a sample's tokens came to nothing; null for a sample that ran to its end. A shutdown is a deadline of its own. */
export function discardReasonOf(reason: FinishReason): DiscardReason | null {
  switch (reason) {
    case "stop":
    case "length":
      return null;
    case "shutdown":
      return "deadline";
    default:
      return reason;
  }
}

export type RequestEnd = "stop" | "length" | "abort" | "cancelled" | "disconnect";

/** The end of a request of many samples: the gravest of theirs, those that the vote no longer needed left out. */
export function requestEnd(samples: readonly SampleResult[]): RequestEnd {
  const reasons = new Set(samples.map((sample) => sample.finishReason));
  if (reasons.has("disconnect")) return "disconnect";
  if (reasons.has("cancelled")) return "cancelled";
  if (reasons.has("deadline") || reasons.has("shutdown")) return "abort";
  return reasons.has("length") ? "length" : "stop";
}
