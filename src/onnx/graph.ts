// An ONNX graph as plain data: values by name, nodes in topological order, initialisers inline or in files beside the model.

import type { DataType } from "../tensor/onnx-type.ts";

export { DATA_TYPES, type DataType, type FloatType } from "../tensor/onnx-type.ts";

/** Bytes of one element. */
export const DATA_TYPE_BYTES: Readonly<Record<DataType, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
};

/** AttributeProto.AttributeType by name, for the types that Attribute has. */
export const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, tensor: 4, floats: 6, ints: 7 } as const;

/** A value's name within its graph; the empty string is an input or output left out. */
export type Value = string;

/** A size, or the name of one that is known only at run time. */
export type Dimension = number | string;

export interface ValueInfo {
  readonly name: Value;
  readonly type: DataType;
  readonly shape: readonly Dimension[];
}

export interface TensorData {
  readonly type: DataType;
  readonly shape: readonly number[];
  readonly data:
    | { readonly kind: "inline"; readonly bytes: Uint8Array }
    | {
        readonly kind: "external";
        readonly location: string;
        readonly offset: number;
        readonly length: number;
      };
}

/** The number of elements of a shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A plain number is an INT attribute; a FLOAT is wrapped, since JavaScript cannot tell 1.0 from 1. */
export type Attribute =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly tensor: TensorData };

export interface Node {
  readonly name: string;
  readonly operator: string;
  /** "" is ONNX's own, "com.microsoft" ONNX Runtime's. */
  readonly domain: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** An INT attribute, or its default where it is left out. */
export function intAttribute(node: Node, name: string, otherwise: number): number {
  const attribute: Attribute | undefined = node.attributes[name];
  return typeof attribute === "number" ? attribute : otherwise;
}

/** A FLOAT attribute, or its default where it is left out. */
export function floatAttribute(node: Node, name: string, otherwise: number): number {
  const attribute: Attribute | undefined = node.attributes[name];
  return typeof attribute === "object" && "float" in attribute ? attribute.float : otherwise;
}

/** An INTS attribute; null where it is left out. */
export function intsAttribute(node: Node, name: string): readonly number[] | null {
  const attribute: Attribute | undefined = node.attributes[name];
  return Array.isArray(attribute) ? attribute : null;
}

export interface Graph {
  readonly name: string;
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly Node[];
  readonly initializers: ReadonlyMap<Value, TensorData>;
}

export interface Model {
  readonly graph: Graph;
  readonly producer: string;
  readonly irVersion: number;
  /** Operator set version by domain. */
  readonly opsets: Readonly<Record<string, number>>;
}
