// Why a sample ended, in the engine's words, and what follows from each of them.

/** Why a sample was stopped by something other than the model. */
export type CancelReason = "decided" | "cancelled" | "disconnect" | "deadline" | "shutdown";

export type FinishReason = "stop" | "length" | CancelReason;

/** Why generated tokens were thrown away. */
export const DISCARD_REASONS = ["decided", "cancelled", "disconnect", "deadline"] as const;
export type DiscardReason = (typeof DISCARD_REASONS)[number];

/** Why a sample's tokens are thrown away; null for a sample that ran to its end. A shutdown counts as a deadline. */
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

/** How a request of many samples ended: as the worst of them did. Samples that the vote no longer needed do not count. */
export function requestEndOf(samples: readonly { readonly finishReason: FinishReason }[]): RequestEnd {
  const reasons = new Set(samples.map((sample) => sample.finishReason));
  if (reasons.has("disconnect")) return "disconnect";
  if (reasons.has("cancelled")) return "cancelled";
  if (reasons.has("deadline") || reasons.has("shutdown")) return "abort";
  return reasons.has("length") ? "length" : "stop";
}
