// Whether a device computes in float16, which the dtypes fp16 and q4f16 need: a session that does is opened and run.

import { MagdiError } from "../base/errors.ts";
import { encodeModel } from "../onnx/encode.ts";
import { GraphBuilder } from "../onnx/graph-builder.ts";
import * as op from "../onnx/operators.ts";
import type { Device } from "../runtime/device-name.ts";
import { OrtTensor } from "../runtime/ort-tensor.ts";
import { Binding, Session } from "../runtime/session.ts";
import { FLOAT16_VALUES } from "../tensor/half.ts";
import type { Check } from "./check.ts";

/** y = x + x over float16 [4] */
function addition(): Uint8Array {
  const g = new GraphBuilder();
  const x = g.input("x", "float16", [4]);
  const sum = op.add(g, x, x);
  g.output(sum, "float16", [4]);
  return encodeModel(g.build("float16"));
}

/** For a device that runs sessions. `needed`: the student has such a dtype, so that without float16 it cannot serve. */
export async function float16Check(device: Device, needed: boolean): Promise<Check> {
  const base = { name: "float16", device } as const;
  const halves = (values: readonly number[]): Uint16Array =>
    Uint16Array.from(values, (value) => FLOAT16_VALUES.indexOf(value));
  const x = OrtTensor.zeros("float16", [4]);
  const y = OrtTensor.zeros("float16", [4]);
  x.data.set(halves([1, 2.5, -3, 1000]));
  try {
    const session = await Session.open(addition(), { label: `float16 on ${device}`, device, threads: 1 });
    try {
      await session.run(new Binding({ x }, { [session.outputNames[0] ?? ""]: y }));
    } finally {
      session.close();
    }
    const right = halves([2, 5, -6, 2000]).every((value, at) => value === y.data[at]);
    if (right) return { ...base, status: "ok", found: "computed correctly", remedy: null };
    const remedy = "serve a dtype that computes in float32: q4, q8 or fp32";
    return { ...base, status: needed ? "missing" : "warning", found: "computed wrongly", remedy };
  } catch (error) {
    if (!(error instanceof MagdiError)) throw error;
    return {
      ...base,
      status: needed ? "missing" : "note",
      found: /does not support it/.test(error.message) ? "the device has none" : error.message,
      remedy: "serve a dtype that computes in float32 on it (q4, q8, fp32), not fp16 or q4f16",
    };
  } finally {
    x.release();
    y.release();
  }
}
