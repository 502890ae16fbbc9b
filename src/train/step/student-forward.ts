// The forward pass of a base, alone or with an adapter, on whole sequences: the logits that students are compared by.

import type { LoraOptions } from "../../nn/lora.ts";
import { adapterShapes } from "../../nn/lora.ts";
import { forwardGraph } from "../../nn/training-graph.ts";
import { OrtTensor } from "../../runtime/ort-tensor.ts";
import { Binding, type Session } from "../../runtime/session.ts";
import type { BaseModel } from "../../student/base-model.ts";
import { type BaseSessionOptions, BaseSessions } from "./base-session.ts";
import { integerTensor } from "./batch-tensors.ts";

export interface StudentForward {
  /** The adapter's tensors by PEFT key, zero at first; empty without an adapter. */
  readonly parameters: ReadonlyMap<string, Float32Array>;
  /** tokenIds [rows·columns] → logits [rows·columns·V] */
  run(tokenIds: BigInt64Array, rows: number, columns: number): Promise<Float32Array>;
  close(): void;
}

/** @throws MAGDI_BAD_FILE for weights that are not finite, MAGDI_RUNTIME when the device refuses. */
export async function openStudentForward(
  base: BaseModel,
  lora: LoraOptions | null,
  options: BaseSessionOptions = {},
): Promise<StudentForward> {
  const sessions = await BaseSessions.write(base, options);
  const shapes = lora === null ? new Map<string, readonly number[]>() : adapterShapes(base.config, lora);
  let session: Session;
  try {
    session = await sessions.open("student forward", forwardGraph(base.config, sessions.load, lora));
  } catch (error) {
    sessions.close();
    throw error;
  }
  const tensors = new Map([...shapes].map(([key, shape]) => [key, OrtTensor.zeros("float32", shape)]));
  return {
    parameters: new Map([...tensors].map(([key, tensor]) => [key, tensor.data])),
    run: async (tokenIds, rows, columns) => {
      const ids = integerTensor([rows, columns], tokenIds);
      const logits = OrtTensor.zeros("float32", [rows, columns, base.config.vocabSize]);
      try {
        await session.run(new Binding({ input_ids: ids, ...Object.fromEntries(tensors) }, { logits }));
      } finally {
        ids.release();
        logits.release();
      }
      return logits.data;
    },
    close: () => {
      sessions.close();
      for (const tensor of tensors.values()) tensor.release();
    },
  };
}
