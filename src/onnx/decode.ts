// Reads the bytes of an .onnx file as a Model: the fields that encode.ts writes, and the typed data fields that other
// exporters use. Parts of a graph that it cannot represent are an error.

import { MagdiError } from "../base/errors.ts";
import {
  ATTRIBUTE_TYPES,
  type Attribute,
  DATA_TYPE_BYTES,
  DATA_TYPES,
  type DataType,
  type Dimension,
  elementsOf,
  type Graph,
  type Model,
  type Node,
  type TensorData,
  type ValueInfo,
} from "./graph.ts";
import { type ProtobufField, readFields, readPackedVarints } from "./protobuf.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function broken(found: string): MagdiError {
  return new MagdiError("MAGDI_BAD_GRAPH", `expected an ONNX model, but ${found}`);
}

function unsupported(what: string): MagdiError {
  return new MagdiError("MAGDI_UNSUPPORTED", `this ONNX model has ${what}, which is not supported`);
}

function bytesOf(field: ProtobufField): Uint8Array {
  if (field.kind === "varint") throw broken(`field ${field.field} is a number where bytes are expected`);
  return field.value;
}

function textOf(field: ProtobufField): string {
  try {
    return UTF8.decode(bytesOf(field));
  } catch (error) {
    if (error instanceof MagdiError) throw error;
    throw broken(`field ${field.field} is text that is not UTF-8`);
  }
}

/** One signed 64-bit value, or a packed run of them. */
function integersOf(field: ProtobufField): bigint[] {
  const values = field.kind === "varint" ? [field.value] : readPackedVarints(field.value);
  return values.map((value) => BigInt.asIntN(64, value));
}

function numberOf(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw unsupported(`the number ${value}, beyond 2^53`);
  return number;
}

function intOf(field: ProtobufField): number {
  if (field.kind !== "varint") throw broken(`field ${field.field} holds bytes where a number is expected`);
  return numberOf(BigInt.asIntN(64, field.value));
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
  throw unsupported(`data type ${number}, not one of ${Object.keys(DATA_TYPES).join(", ")}`);
}

function readTensor(bytes: Uint8Array): { name: string; tensor: TensorData } {
  const shape: number[] = [];
  let type: DataType | null = null;
  let name = "";
  let raw: Uint8Array | null = null;
  // Not spread into push: a call takes only so many arguments.
  const floats: number[] = [];
  const integers: bigint[] = [];
  const external = new Map<string, string>();
  for (const field of readFields(bytes)) {
    if (field.field === 1) for (const size of integersOf(field)) shape.push(numberOf(size));
    if (field.field === 2) type = dataTypeOf(intOf(field));
    if (field.field === 4) for (const value of floatsOf(field)) floats.push(value);
    if (field.field === 5 || field.field === 7) for (const value of integersOf(field)) integers.push(value);
    if (field.field === 8) name = textOf(field);
    if (field.field === 9) raw = bytesOf(field);
    if (field.field === 13) {
      const parts = [...readFields(bytesOf(field))];
      const part = (id: number): string => parts.filter((entry) => entry.field === id).map(textOf)[0] ?? "";
      external.set(part(1), part(2));
    }
  }
  if (type === null) throw broken(`tensor ${name} has no data type`);
  const length = elementsOf(shape) * DATA_TYPE_BYTES[type];
  if (shape.some((size) => size < 0) || !Number.isSafeInteger(length)) {
    throw broken(`tensor ${name} has the shape [${shape.join(", ")}]`);
  }
  const location = external.get("location");
  if (location !== undefined) {
    const offset = Number(external.get("offset") ?? 0);
    const stated = Number(external.get("length") ?? length);
    if (!Number.isSafeInteger(offset) || offset < 0 || stated !== length) {
      throw broken(
        `tensor ${name} needs ${length} bytes and has ${stated} at offset ${offset} of ${location}`,
      );
    }
    return { name, tensor: { type, shape, data: { kind: "external", location, offset, length } } };
  }
  raw ??= packNumbers(type, floats, integers);
  if (raw.length !== length) {
    throw broken(`tensor ${name} of shape [${shape.join(", ")}] needs ${length} bytes and has ${raw.length}`);
  }
  return { name, tensor: { type, shape, data: { kind: "inline", bytes: raw } } };
}

/** The typed data fields as raw data: integers keep their low bits, and float16 is given by its bits. */
function packNumbers(type: DataType, floats: readonly number[], integers: readonly bigint[]): Uint8Array {
  if (type === "float32") return new Uint8Array(Float32Array.from(floats).buffer);
  if (type === "int64") return new Uint8Array(BigInt64Array.from(integers).buffer);
  if (type === "int32") return new Uint8Array(Int32Array.from(integers, Number).buffer);
  if (type === "float16") return new Uint8Array(Uint16Array.from(integers, Number).buffer);
  return Uint8Array.from(integers, Number);
}

function readAttribute(bytes: Uint8Array): [name: string, Attribute] {
  let name = "";
  let type = 0;
  // Writers may leave out fields that are zero.
  let float = 0;
  let int = 0;
  let text = "";
  let tensor: TensorData | null = null;
  const ints: number[] = [];
  const floats: number[] = [];
  for (const field of readFields(bytes)) {
    if (field.field === 1) name = textOf(field);
    if (field.field === 2) float = floatsOf(field)[0] ?? 0;
    if (field.field === 3) int = intOf(field);
    if (field.field === 4) text = textOf(field);
    if (field.field === 5) ({ tensor } = readTensor(bytesOf(field)));
    if (field.field === 7) for (const value of floatsOf(field)) floats.push(value);
    if (field.field === 8) for (const value of integersOf(field)) ints.push(numberOf(value));
    if (field.field === 20) type = intOf(field);
  }
  if (type === ATTRIBUTE_TYPES.float) return [name, { float }];
  if (type === ATTRIBUTE_TYPES.int) return [name, int];
  if (type === ATTRIBUTE_TYPES.string) return [name, text];
  if (type === ATTRIBUTE_TYPES.floats) return [name, { floats }];
  if (type === ATTRIBUTE_TYPES.ints) return [name, ints];
  if (type !== ATTRIBUTE_TYPES.tensor) throw unsupported(`attribute ${name} of type ${type}`);
  if (tensor === null) throw broken(`attribute ${name} should hold a tensor and has none`);
  return [name, { tensor }];
}

function readNode(bytes: Uint8Array): Node {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes: [name: string, Attribute][] = [];
  let name = "";
  let operator = "";
  let domain = "";
  for (const field of readFields(bytes)) {
    if (field.field === 1) inputs.push(textOf(field));
    else if (field.field === 2) outputs.push(textOf(field));
    else if (field.field === 3) name = textOf(field);
    else if (field.field === 4) operator = textOf(field);
    else if (field.field === 5) attributes.push(readAttribute(bytesOf(field)));
    else if (field.field === 7) domain = textOf(field);
  }
  return { name, operator, domain, inputs, outputs, attributes: Object.fromEntries(attributes) };
}

/** The last field of that number, for messages nested in messages; null when there is none. */
function inner(bytes: Uint8Array | null, number: number): Uint8Array | null {
  let found: Uint8Array | null = null;
  if (bytes === null) return found;
  for (const field of readFields(bytes)) if (field.field === number) found = bytesOf(field);
  return found;
}

function readValueInfo(bytes: Uint8Array): ValueInfo {
  let name = "";
  for (const field of readFields(bytes)) if (field.field === 1) name = textOf(field);
  const tensor = inner(inner(bytes, 2), 1);
  const dimensions = inner(tensor, 2);
  if (tensor === null || dimensions === null) {
    throw unsupported(`the input or output ${name} that is not a tensor of known rank`);
  }
  let type: DataType | null = null;
  for (const field of readFields(tensor)) if (field.field === 1) type = dataTypeOf(intOf(field));
  if (type === null) throw broken(`the input or output ${name} has no data type`);
  const shape: Dimension[] = [];
  for (const dimension of readFields(dimensions)) {
    let size: Dimension = "";
    for (const part of readFields(bytesOf(dimension))) {
      if (part.field === 1) size = intOf(part);
      if (part.field === 2) size = textOf(part);
    }
    shape.push(size);
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
    else if (field.field === 15) throw unsupported("sparse initialisers");
  }
  return { name, inputs, outputs, nodes, initializers };
}

/** Reads an .onnx file's bytes; external data stays where it is, named by location, offset and length.
 * @throws MAGDI_BAD_GRAPH when the bytes are not a model, MAGDI_UNSUPPORTED for what a Model cannot represent. */
export function decodeModel(bytes: Uint8Array): Model {
  let irVersion = 0;
  let producer = "";
  let graph: Graph | null = null;
  const opsets: [domain: string, version: number][] = [];
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
      opsets.push([domain, version]);
    } else if (field.field === 25) throw unsupported("local functions");
  }
  if (graph === null) throw broken("it has no graph");
  return { graph, producer, irVersion, opsets: Object.fromEntries(opsets) };
}
