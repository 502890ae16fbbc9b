import assert from "node:assert/strict";
import { test } from "node:test";
import { MagdiError } from "../../src/base/errors.ts";
import { ProtobufWriter, readFields, readPackedVarints } from "../../src/onnx/protobuf.ts";

const badGraph = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MagdiError, String(error));
  assert.equal(error.code, "MAGDI_BAD_GRAPH");
  assert.match(error.message, pattern);
  return true;
};

/** The bytes of field 1 holding `value`, without the field's key. */
function varintBytes(value: number | bigint): Uint8Array {
  const writer = new ProtobufWriter();
  writer.int(1, value);
  return writer.finish().subarray(1);
}

test("whole numbers keep their 64 bits, at every length", () => {
  const edges = [0n, 1n, 127n, 128n, 16383n, 16384n, 2n ** 31n, 2n ** 53n, 2n ** 63n - 1n, -1n, -(2n ** 63n)];
  for (const value of edges) {
    const bytes = varintBytes(value);
    assert.deepEqual(readPackedVarints(bytes), [BigInt.asUintN(64, value)]);
    const writer = new ProtobufWriter();
    writer.int(536870911, value);
    const [field] = [...readFields(writer.finish())];
    assert.equal(field?.field, 536870911);
    assert.equal(field.kind === "varint" && BigInt.asIntN(64, field.value), value);
  }
  assert.deepEqual([...varintBytes(300)], [0xac, 0x02]);
  assert.deepEqual([...varintBytes(-1)], [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
});

test("a packed field holds many numbers, and none", () => {
  assert.deepEqual(readPackedVarints(new Uint8Array()), []);
  assert.deepEqual(readPackedVarints(Uint8Array.of(0, 0xac, 0x02, 5)), [0n, 300n, 5n]);
});

test("numbers that run past the end or past ten bytes are refused", () => {
  const endless = new Uint8Array(11).fill(0x80);
  for (const bytes of [endless, new Uint8Array(1000).fill(0xff)]) {
    assert.throws(() => readPackedVarints(bytes), badGraph(/more than ten bytes/));
    assert.throws(() => [...readFields(bytes)], badGraph(/more than ten bytes/));
  }
  for (const bytes of [Uint8Array.of(0x80), Uint8Array.of(1, 0xff, 0xff)]) {
    assert.throws(() => readPackedVarints(bytes), badGraph(/past the end/));
  }
  // Bits over the sixty-fourth are dropped, as the reference decoders drop them.
  assert.deepEqual(readPackedVarints(Uint8Array.of(...new Array(9).fill(0xff), 0x7f)), [2n ** 64n - 1n]);
});

test("every wire type is skipped or read, and unknown ones refused", () => {
  const bytes = Uint8Array.of(0x0d, 1, 2, 3, 4, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 2, 9, 9, 0x20, 5);
  const kinds = [...readFields(bytes)].map(({ field, kind }) => `${field} ${kind}`);
  assert.deepEqual(kinds, ["1 fixed32", "2 fixed64", "3 bytes", "4 varint"]);
  for (const wireType of [3, 4, 6, 7]) {
    assert.throws(() => [...readFields(Uint8Array.of(8 | wireType))], badGraph(/wire type/));
  }
  assert.throws(() => [...readFields(Uint8Array.of(0, 1))], badGraph(/number 0/));
});

test("a length reaches no further than the bytes do", () => {
  assert.throws(() => [...readFields(Uint8Array.of(0x0a, 5, 1, 2))], badGraph(/claims 5 bytes, 2 are left/));
  const huge = Uint8Array.of(0x0a, ...varintBytes(2n ** 64n - 1n));
  assert.throws(() => [...readFields(huge)], badGraph(/claims .* bytes, 0 are left/));
});

test("a message far larger than the writer's first buffer is whole", () => {
  const writer = new ProtobufWriter();
  const big = Uint8Array.from({ length: 100_000 }, (_, i) => i);
  writer.message(1, (inner) => inner.bytes(2, big));
  writer.string(3, "größer");
  writer.float(4, -0.5);
  const [message, text, float] = [...readFields(writer.finish())];
  assert.ok(message?.kind === "bytes" && text?.kind === "bytes" && float?.kind === "fixed32");
  assert.deepEqual([...readFields(message.value)], [{ field: 2, kind: "bytes", value: big }]);
  assert.equal(new TextDecoder().decode(text.value), "größer");
  assert.deepEqual([...float.value], [0, 0, 0, 0xbf]);
});
