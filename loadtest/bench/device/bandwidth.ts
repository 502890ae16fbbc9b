// How fast a device reads and writes its memory: chains of additions over a tensor far larger than any cache, of which
// one number comes back. It knows no model.

import { encodeModel } from "../../../src/onnx/encode.ts";
import { GraphBuilder } from "../../../src/onnx/graph-builder.ts";
import * as op from "../../../src/onnx/operators.ts";
import type { Device } from "../../../src/runtime/device-name.ts";
import { OrtTensor } from "../../../src/runtime/ort-tensor.ts";
import { Binding, Session } from "../../../src/runtime/session.ts";

const SHORT = 1;
const LONG = 9;
const ROUNDS = 5;

/** x float32 [1] → the last of `count` numbers that each were added to `links` times */
function chain(count: number, links: number): Uint8Array {
  const g = new GraphBuilder();
  const x = g.input("x", "float32", [1]);
  let sum = op.expand(g, x, g.ints([count]));
  for (let link = 0; link < links; link++) sum = op.add(g, sum, x);
  g.node("Gather", [sum, g.ints([count - 1])], { attributes: { axis: 0 }, outputs: ["y"] });
  g.output("y", "float32", [1]);
  return encodeModel(g.build("bandwidth"));
}

async function fastestMs(device: Device, threads: number, count: number, links: number): Promise<number> {
  const session = await Session.open(chain(count, links), { label: "bandwidth", device, threads });
  const x = OrtTensor.zeros("float32", [1]);
  const y = OrtTensor.zeros("float32", [1]);
  x.data[0] = 1;
  try {
    const binding = new Binding({ x }, { y });
    let fastest = Number.POSITIVE_INFINITY;
    for (let round = 0; round <= ROUNDS; round++) {
      const startMs = performance.now();
      await session.run(binding);
      if (round > 0) fastest = Math.min(fastest, performance.now() - startMs);
    }
    if (y.data[0] !== links + 1) throw new Error(`expected ${links + 1} from ${device}, found ${y.data[0]}`);
    return fastest;
  } finally {
    session.close();
    x.release();
    y.release();
  }
}

/** Bytes a second, read and written together, over a tensor of `bytes`: what a longer chain takes more than a short
 * one, so that starting a run counts for nothing. */
export async function deviceBandwidth(device: Device, threads: number, bytes: number): Promise<number> {
  const count = Math.floor(bytes / 4);
  const shortMs = await fastestMs(device, threads, count, SHORT);
  const longMs = await fastestMs(device, threads, count, LONG);
  return (1000 * (LONG - SHORT) * 2 * 4 * count) / Math.max(longMs - shortMs, 1e-3);
}
