// What calls came to so far, in one line.

import type { DebateLedger } from "../debate/debate-ledger.ts";

export function callsOf(ledger: DebateLedger): number {
  return [...ledger.byAgent().values()].reduce((sum, { calls }) => sum + calls, 0);
}

export function sumsText(ledger: DebateLedger): string {
  const sums = [...ledger.byAgent().values()];
  const tokens = sums.reduce((sum, one) => sum + one.promptTokens + one.completionTokens, 0);
  const usd = sums.reduce((sum, one) => sum + (one.usd ?? 0), 0);
  const unreported = sums.reduce((sum, one) => sum + one.unreportedCalls, 0);
  const unpriced = sums.some((one) => one.usd === null) ? " and what has no price" : "";
  return `${callsOf(ledger)} calls, ${tokens} tokens, $${usd.toFixed(4)}${unpriced}${unreported > 0 ? `, ${unreported} calls without a count` : ""}`;
}
