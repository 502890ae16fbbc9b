// Writes a Model as the bytes of an .onnx file; field numbers are those of onnx.proto3.

import { MagdiError } from "../base/errors.ts";
import {
  ATTRIBUTE_TYPES,
  type Attribute,
  DATA_TYPES,
  type Model,
  type Node,
  type TensorData,
  type Value,
  type ValueInfo,
} from "./graph.ts";
import { ProtobufWriter } from "./protobuf.ts";

function writeTensor(out: ProtobufWriter, name: Value, tensor: TensorData): void {
  for (const size of tensor.shape) out.int(1, size);
  out.int(2, DATA_TYPES[tensor.type]);
  out.string(8, name);
  if (tensor.data.kind === "inline") {
    out.bytes(9, tensor.data.bytes);
    return;
  }
  const entries = { location: tensor.data.location, offset: tensor.data.offset, length: tensor.data.length };
  for (const [key, value] of Object.entries(entries)) {
    out.message(13, (entry) => {
      entry.string(1, key);
      entry.string(2, String(value));
    });
  }
  const external = 1;
  out.int(14, external);
}

/** An INT attribute's value. */
function whole(name: string, value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw new MagdiError(
    "MAGDI_BAD_GRAPH",
    `attribute ${name}: expected a whole number, found ${value}; a float is written { float: ${value} }`,
  );
}

function writeAttribute(out: ProtobufWriter, name: string, attribute: Attribute): void {
  out.string(1, name);
  if (typeof attribute === "number") {
    out.int(3, whole(name, attribute));
    out.int(20, ATTRIBUTE_TYPES.int);
  } else if (typeof attribute === "string") {
    out.string(4, attribute);
    out.int(20, ATTRIBUTE_TYPES.string);
  } else if ("float" in attribute) {
    out.float(2, attribute.float);
    out.int(20, ATTRIBUTE_TYPES.float);
  } else if ("floats" in attribute) {
    for (const value of attribute.floats) out.float(7, value);
    out.int(20, ATTRIBUTE_TYPES.floats);
  } else if ("tensor" in attribute) {
    out.message(5, (inner) => writeTensor(inner, "", attribute.tensor));
    out.int(20, ATTRIBUTE_TYPES.tensor);
  } else {
    for (const value of attribute) out.int(8, whole(name, value));
    out.int(20, ATTRIBUTE_TYPES.ints);
  }
}

function writeNode(out: ProtobufWriter, node: Node): void {
  for (const input of node.inputs) out.string(1, input);
  for (const output of node.outputs) out.string(2, output);
  out.string(3, node.name);
  out.string(4, node.operator);
  for (const [name, attribute] of Object.entries(node.attributes)) {
    out.message(5, (inner) => writeAttribute(inner, name, attribute));
  }
  if (node.domain !== "") out.string(7, node.domain);
}

function writeValueInfo(out: ProtobufWriter, value: ValueInfo): void {
  out.string(1, value.name);
  out.message(2, (type) =>
    type.message(1, (tensor) => {
      tensor.int(1, DATA_TYPES[value.type]);
      tensor.message(2, (shape) => {
        for (const size of value.shape) {
          shape.message(1, (dimension) => {
            if (typeof size === "number") dimension.int(1, size);
            else dimension.string(2, size);
          });
        }
      });
    }),
  );
}

/** The bytes of an .onnx file. @throws MAGDI_BAD_GRAPH naming an integer attribute that is not a whole number. */
export function encodeModel(model: Model): Uint8Array {
  const out = new ProtobufWriter();
  out.int(1, model.irVersion);
  out.string(2, model.producer);
  out.message(7, (graph) => {
    for (const node of model.graph.nodes) graph.message(1, (inner) => writeNode(inner, node));
    graph.string(2, model.graph.name);
    for (const [name, tensor] of model.graph.initializers) {
      graph.message(5, (inner) => writeTensor(inner, name, tensor));
    }
    for (const input of model.graph.inputs) graph.message(11, (inner) => writeValueInfo(inner, input));
    for (const output of model.graph.outputs) graph.message(12, (inner) => writeValueInfo(inner, output));
  });
  for (const [domain, version] of Object.entries(model.opsets)) {
    out.message(8, (opset) => {
      opset.string(1, domain);
      opset.int(2, version);
    });
  }
  return out.finish();
}
