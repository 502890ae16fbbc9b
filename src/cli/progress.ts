// Prints progress: on a terminal one line rewritten in place, elsewhere a line at every tenth and every minute.

import type { Writable } from "node:stream";
import { type Clock, systemClock } from "../base/clock.ts";

const QUIET_MS = 60_000;

export interface Progress {
  /** `note` is printed after the numbers. */
  report(stage: string, done: number, total: number, note?: string): void;
  /** Ends the line being rewritten. */
  end(): void;
}

export function terminalProgress(
  stream: Writable & { readonly isTTY?: boolean },
  clock: Pick<Clock, "nowMs"> = systemClock,
): Progress {
  let open = false;
  let lastTenth = "";
  let lastLineMs = 0;
  const end = (): void => {
    if (open) stream.write("\n");
    open = false;
  };
  let lastStage = "";
  return {
    end,
    report(stage, done, total, note = "") {
      const text = `${stage}: ${done} of ${total}${note === "" ? "" : `, ${note}`}`;
      if (stream.isTTY) {
        if (stage !== lastStage) end();
        lastStage = stage;
        stream.write(`\r\u001b[K${text}`);
        open = true;
        return;
      }
      const tenth = `${stage} ${Math.floor((10 * done) / total)}`;
      if (tenth === lastTenth && clock.nowMs() - lastLineMs < QUIET_MS) return;
      stream.write(`${text}\n`);
      lastTenth = tenth;
      lastLineMs = clock.nowMs();
    },
  };
}
