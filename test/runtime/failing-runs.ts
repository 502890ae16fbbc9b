// A process that fails the same run many times, with its heap collected in between; prints by how many bytes what native
// code has allocated grew for each 4000 failures. Run with --expose-gc, and one heap for all threads.

import { setImmediate as nextTurn } from "node:timers/promises";
import koffi from "koffi";

import { encodeModel } from "../../src/onnx/encode.ts";
import { GraphBuilder } from "../../src/onnx/graph-builder.ts";
import * as op from "../../src/onnx/operators.ts";
import { OrtTensor } from "../../src/runtime/ort-tensor.ts";
import { Binding, Session } from "../../src/runtime/session.ts";

const g = new GraphBuilder();
const a = g.input("a", "float32", ["n"]);
const b = g.input("b", "float32", ["m"]);
// The name is in every message, so that a status that is not released is seen soon.
const sum = g.scoped("x".repeat(4000), () => op.add(g, a, b));
g.node("Identity", [sum], { outputs: ["y"] });
g.output("y", "float32", ["k"]);
const session = await Session.open(encodeModel(g.build("fails")), { label: "fails", threads: 1 });
const tensors = { a: OrtTensor.zeros("float32", [2]), b: OrtTensor.zeros("float32", [3]) };
const binding = new Binding(tensors, { y: OrtTensor.zeros("float32", [3]) });

async function fail(times: number): Promise<number> {
  let failures = 0;
  for (let i = 1; i <= times; i++) {
    await session.run(binding).catch(() => failures++);
    if (i % 50 !== 0) continue;
    // What belongs to collected objects is freed in a later turn of the event loop; of more objects at a time some are freed much
    // later.
    globalThis.gc?.();
    await nextTurn();
  }
  return failures;
}

// What glibc counts as in use: resident memory goes up and down by tens of megabytes by itself.
const FIELDS = [
  "arena",
  "ordblks",
  "smblks",
  "hblks",
  "hblkhd",
  "usmblks",
  "fsmblks",
  "uordblks",
  "fordblks",
  "keepcost",
];
const counts = koffi.struct("mallinfo2", Object.fromEntries(FIELDS.map((field) => [field, "size_t"])));
const mallinfo2 = koffi.load("libc.so.6").func("mallinfo2", counts, []);
function allocatedBytes(): number {
  const { hblkhd, uordblks } = mallinfo2();
  return Number(hblkhd) + Number(uordblks);
}

await fail(2000);
// V8 takes and gives back some memory of its own at times: the median round shows what each leaves.
const ROUNDS = 5;
const grown: number[] = [];
let failures = 0;
for (let round = 0; round < ROUNDS; round++) {
  const before = allocatedBytes();
  failures += await fail(4000);
  grown.push(allocatedBytes() - before);
}
grown.sort((a, b) => a - b);
console.log(JSON.stringify({ failures: failures / ROUNDS, grownBytes: grown[ROUNDS >> 1] }));
