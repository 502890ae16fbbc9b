// The scenarios, by name.
import { burst } from "./burst.ts";
import { churn } from "./churn.ts";
import { disconnectFlood } from "./disconnect-flood.ts";
import { drain } from "./drain.ts";
import { mixed, soak } from "./mixed.ts";
import { overload } from "./overload.ts";
import type { Scenario } from "./scenario.ts";
import { slowReaders } from "./slow-readers.ts";
import { steady } from "./steady.ts";
import { streams } from "./streams.ts";
import { throughput } from "./throughput.ts";

export const SCENARIOS: readonly Scenario[] = [
  steady,
  burst,
  overload,
  slowReaders,
  disconnectFlood,
  churn,
  mixed,
  soak,
  streams,
  throughput,
  drain,
];
