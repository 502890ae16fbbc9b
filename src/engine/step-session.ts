// Opens a student's step graph: over our own operators where they can compute it, else as it is stored.

import { readFileSync } from "node:fs";
import path from "node:path";
import { MagdiError } from "../base/errors.ts";
import type { DecoderConfig } from "../nn/decoder-config.ts";
import { attentionInHalf } from "../nn/half-attention.ts";
import { KEY_TILE_TOKENS } from "../nn/native-graph.ts";
import { type Kernels, openKernels } from "../runtime/native-kernels.ts";
import { Session, type SessionOptions } from "../runtime/session.ts";
import { nativeStepGraph } from "../student/native-step-graph.ts";

export interface StepSession {
  readonly session: Session;
  readonly kernels: Kernels;
  /** See KvCacheShape. */
  readonly keyTileTokens: number;
}

/** Opens engine_<dtype>.onnx.
 * @throws MAGDI_RUNTIME, MAGDI_UNSUPPORTED as Session.open does; MAGDI_BAD_GRAPH; MAGDI_BAD_CONFIG as openKernels does. */
export async function openStepSession(
  graphPath: string,
  config: DecoderConfig,
  options: SessionOptions,
): Promise<StepSession> {
  const inFolder: SessionOptions = {
    ...options,
    config: {
      ...options.config,
      "session.model_external_initializers_file_folder_path": path.dirname(graphPath),
    },
  };
  const stock = async (reason: string, graph: Uint8Array | null = null): Promise<StepSession> => ({
    session: await (graph === null ? Session.open(graphPath, options) : Session.open(graph, inFolder)),
    kernels: { kind: "stock", reason },
    keyTileTokens: 1,
  });
  // ONNX Runtime's attention on CUDA has kernels for float16 and bfloat16 only; in float32 it would run on the CPU, and the
  // whole KV cache would cross the bus at every step.
  if (options.device === "cuda")
    return stock("on cuda", attentionInHalf(readGraph(graphPath, options.label)));
  if (options.device === "webgpu") return stock("on webgpu");
  const kernels = openKernels();
  if (kernels.kind === "stock") return stock(kernels.reason);
  const native = nativeStepGraph(readGraph(graphPath, options.label), config);
  if ("reason" in native) return stock(native.reason);
  const session = await Session.open(native.graph, { ...inFolder, operatorLibrary: kernels.libraryPath });
  return { session, kernels, keyTileTokens: KEY_TILE_TOKENS };
}

function readGraph(graphPath: string, label: string): Uint8Array {
  try {
    return readFileSync(graphPath);
  } catch (cause) {
    const found = cause instanceof Error ? cause.message : String(cause);
    throw new MagdiError("MAGDI_RUNTIME", `session ${label}: ${found}`, { cause });
  }
}
