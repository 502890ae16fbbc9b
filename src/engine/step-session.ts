// The session of a student's step graph on a device.

import { readFileSync } from "node:fs";
import path from "node:path";
import { attentionInHalf } from "../nn/half-attention.ts";
import { Session, type SessionOptions } from "../runtime/session.ts";

/** Opens engine_<dtype>.onnx, its weights beside it. ONNX Runtime's attention on CUDA has kernels for float16 and bfloat16
 * alone; one in float32 would run on the processor, and the whole cache cross the bus at every step.
 * @throws MAGDI_RUNTIME, MAGDI_UNSUPPORTED as Session.open does; MAGDI_BAD_GRAPH. */
export function openStepSession(graphPath: string, options: SessionOptions): Promise<Session> {
  if (options.device !== "cuda") return Session.open(graphPath, options);
  const inHalf = attentionInHalf(readFileSync(graphPath));
  if (inHalf === null) return Session.open(graphPath, options);
  const weightsFolder = { "session.model_external_initializers_file_folder_path": path.dirname(graphPath) };
  return Session.open(inHalf, { ...options, config: { ...options.config, ...weightsFolder } });
}
