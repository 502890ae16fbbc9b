// Why samples and requests end.

/** Why a sample was stopped from outside: decided means that the vote no longer needed it. */
export type CancelReason = "decided" | "cancelled" | "disconnect" | "deadline" | "shutdown";

export type FinishReason = "stop" | "length" | CancelReason;

/** Why generated tokens were discarded. */
export const DISCARD_REASONS = ["decided", "cancelled", "disconnect", "deadline"] as const;
export type DiscardReason = (typeof DISCARD_REASONS)[number];

/** Null for a sample that ran to its end. A shutdown counts as a deadline. */
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

/** A request of many samples ends as the worst of them did; those stopped as decided do not count. */
export function requestEndOf(samples: readonly { readonly finishReason: FinishReason }[]): RequestEnd {
  const reasons = new Set(samples.map((sample) => sample.finishReason));
  if (reasons.has("disconnect")) return "disconnect";
  if (reasons.has("cancelled")) return "cancelled";
  if (reasons.has("deadline") || reasons.has("shutdown")) return "abort";
  return reasons.has("length") ? "length" : "stop";
}
