// The bytes of an .onnx file to a Model: the inverse of encode.ts, for the fields that encode.ts writes plus the
// typed data fields that other exporters use.

import { MagdiError } from "../errors.ts";
import {
  type Attribute,
  DATA_TYPE_BYTES,
  DATA_TYPES,
  type DataType,
  type Dimension,
  type Graph,
  type Model,
  type Node,
  type TensorData,
  type ValueInfo,
} from "./graph.ts";
import { type ProtobufField, readFields, readPackedVarints } from "./protobuf.ts";

function broken(found: string): MagdiError {
  return new MagdiError("MAGDI_BAD_GRAPH", `expected an ONNX model, but ${found}`);
}

function bytesOf(field: ProtobufField): Uint8Array {
  if (field.kind === "varint") throw broken(`field ${field.field} is a number where bytes are expected`);
  return field.value;
}

const textOf = (field: ProtobufField): string => new TextDecoder().decode(bytesOf(field));

/** A signed 64-bit varint as a number. */
function intOf(field: ProtobufField): number {
  if (field.kind !== "varint") throw broken(`field ${field.field} holds bytes where a number is expected`);
  return Number(BigInt.asIntN(64, field.value));
}

/** One value or a packed run of them. */
function intsOf(field: ProtobufField): number[] {
  if (field.kind === "varint") return [intOf(field)];
  return readPackedVarints(field.value).map((value) => Number(BigInt.asIntN(64, value)));
}

function floatsOf(field: ProtobufField): number[] {
  const bytes = bytesOf(field);
  if (bytes.length % 4 !== 0) throw broken(`a run of floats has ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(index * 4, true));
}

function dataTypeOf(number: number): DataType {
  for (const [name, value] of Object.entries(DATA_TYPES)) {
    // Object.entries widens the key; the table is keyed by DataType.
    if (value === number) return name as DataType;
  }
  throw new MagdiError(
    "MAGDI_UNSUPPORTED",
    `ONNX data type ${number} is not one of ${Object.keys(DATA_TYPES).join(", ")}`,
  );
}

function readTensor(bytes: Uint8Array): { name: string; tensor: TensorData } {
  const shape: number[] = [];
  let type: DataType = "float32";
  let name = "";
  let inline: Uint8Array | null = null;
  const numbers: number[] = [];
  const external = new Map<string, string>();
  for (const field of readFields(bytes)) {
    if (field.field === 1) shape.push(...intsOf(field));
    else if (field.field === 2) type = dataTypeOf(intOf(field));
    else if (field.field === 4) numbers.push(...floatsOf(field));
    else if (field.field === 5 || field.field === 7) numbers.push(...intsOf(field));
    else if (field.field === 8) name = textOf(field);
    else if (field.field === 9) inline = bytesOf(field);
    else if (field.field === 13) {
      const parts = [...readFields(bytesOf(field))];
      const part = (id: number): string => parts.filter((entry) => entry.field === id).map(textOf)[0] ?? "";
      external.set(part(1), part(2));
    }
  }
  const count = shape.reduce((product, size) => product * size, 1);
  const length = count * DATA_TYPE_BYTES[type];
  if (!Number.isSafeInteger(length) || length < 0)
    throw broken(`tensor ${name} has the shape [${shape.join(", ")}]`);
  const location = external.get("location");
  if (location !== undefined) {
    const offset = Number(external.get("offset") ?? 0);
    return { name, tensor: { type, shape, data: { kind: "external", location, offset, length } } };
  }
  inline ??= packNumbers(type, numbers);
  if (inline.length !== length) {
    throw broken(
      `tensor ${name} of shape [${shape.join(", ")}] needs ${length} bytes and has ${inline.length}`,
    );
  }
  return { name, tensor: { type, shape, data: { kind: "inline", bytes: inline } } };
}

function packNumbers(type: DataType, numbers: readonly number[]): Uint8Array {
  if (type === "float32") return new Uint8Array(Float32Array.from(numbers).buffer);
  if (type === "int64") return new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
  if (type === "int32") return new Uint8Array(Int32Array.from(numbers).buffer);
  if (type === "float16") return new Uint8Array(Uint16Array.from(numbers).buffer);
  return Uint8Array.from(numbers);
}

function readAttribute(bytes: Uint8Array): { name: string; attribute: Attribute } {
  let name = "";
  let attribute: Attribute = [];
  const ints: number[] = [];
  const floats: number[] = [];
  for (const field of readFields(bytes)) {
    if (field.field === 1) name = textOf(field);
    else if (field.field === 2) attribute = { float: floatsOf(field)[0] ?? 0 };
    else if (field.field === 3) attribute = intOf(field);
    else if (field.field === 4) attribute = textOf(field);
    else if (field.field === 5) attribute = { tensor: readTensor(bytesOf(field)).tensor };
    else if (field.field === 7) floats.push(...floatsOf(field));
    else if (field.field === 8) ints.push(...intsOf(field));
    else if (field.field === 6 || field.field === 9 || field.field === 11) {
      throw new MagdiError(
        "MAGDI_UNSUPPORTED",
        `attribute ${name}: graphs and lists of strings are not read`,
      );
    }
  }
  if (floats.length > 0) return { name, attribute: { floats } };
  if (ints.length > 0) return { name, attribute: ints };
  return { name, attribute };
}

function readNode(bytes: Uint8Array): Node {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: Record<string, Attribute> = {};
  let name = "";
  let operator = "";
  let domain = "";
  for (const field of readFields(bytes)) {
    if (field.field === 1) inputs.push(textOf(field));
    else if (field.field === 2) outputs.push(textOf(field));
    else if (field.field === 3) name = textOf(field);
    else if (field.field === 4) operator = textOf(field);
    else if (field.field === 5) {
      const read = readAttribute(bytesOf(field));
      attributes[read.name] = read.attribute;
    } else if (field.field === 7) domain = textOf(field);
  }
  return { name, operator, domain, inputs, outputs, attributes };
}

/** The first length-delimited field of that number, for messages nested in messages. */
function inner(bytes: Uint8Array, number: number): Uint8Array {
  for (const field of readFields(bytes)) if (field.field === number) return bytesOf(field);
  return new Uint8Array();
}

function readValueInfo(bytes: Uint8Array): ValueInfo {
  let name = "";
  for (const field of readFields(bytes)) if (field.field === 1) name = textOf(field);
  const tensor = inner(inner(bytes, 2), 1);
  let type: DataType = "float32";
  const shape: Dimension[] = [];
  for (const field of readFields(tensor)) {
    if (field.field === 1) type = dataTypeOf(intOf(field));
    if (field.field !== 2) continue;
    for (const dimension of readFields(bytesOf(field))) {
      let size: Dimension = "";
      for (const part of readFields(bytesOf(dimension))) size = part.field === 1 ? intOf(part) : textOf(part);
      shape.push(size);
    }
  }
  return { name, type, shape };
}

function readGraph(bytes: Uint8Array): Graph {
  const nodes: Node[] = [];
  const inputs: ValueInfo[] = [];
  const outputs: ValueInfo[] = [];
  const initializers = new Map<string, TensorData>();
  let name = "";
  for (const field of readFields(bytes)) {
    if (field.field === 1) nodes.push(readNode(bytesOf(field)));
    else if (field.field === 2) name = textOf(field);
    else if (field.field === 5) {
      const read = readTensor(bytesOf(field));
      initializers.set(read.name, read.tensor);
    } else if (field.field === 11) inputs.push(readValueInfo(bytesOf(field)));
    else if (field.field === 12) outputs.push(readValueInfo(bytesOf(field)));
  }
  return { name, inputs, outputs, nodes, initializers };
}

/** Reads an .onnx file's bytes; external data stays where it is, named by location, offset and length.
 * @throws MAGDI_BAD_GRAPH when the bytes are not a model, MAGDI_UNSUPPORTED for what the reader leaves out. */
export function decodeModel(bytes: Uint8Array): Model {
  let irVersion = 0;
  let producer = "";
  let graph: Graph | null = null;
  const opsets: Record<string, number> = {};
  for (const field of readFields(bytes)) {
    if (field.field === 1) irVersion = intOf(field);
    else if (field.field === 2) producer = textOf(field);
    else if (field.field === 7) graph = readGraph(bytesOf(field));
    else if (field.field === 8) {
      let domain = "";
      let version = 0;
      for (const part of readFields(bytesOf(field))) {
        if (part.field === 1) domain = textOf(part);
        else if (part.field === 2) version = intOf(part);
      }
      opsets[domain] = version;
    }
  }
  if (graph === null) throw broken("it has no graph");
  return { graph, producer, irVersion, opsets };
}
