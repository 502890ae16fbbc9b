// What is known of a graph's values before it runs: element type, shape, and the numbers in the small int64 vectors that
// shapes are computed from. It covers the operators of training graphs and of their gradients; a size that it cannot
// tell gets a name of its own, and a shape that it cannot tell is null.

import { productOf, quotientOf } from "./dimension.ts";
import {
  DATA_TYPES,
  type DataType,
  type Dimension,
  intAttribute,
  intsAttribute,
  type Node,
  type TensorData,
  type Value,
} from "./graph.ts";
import type { GraphBuilder } from "./graph-builder.ts";

export type Shape = readonly Dimension[];

interface Facts {
  /** null when unknown, as are the others. */
  readonly type: DataType | null;
  readonly shape: Shape | null;
  /** The values of an int64 scalar or vector. */
  readonly ints: readonly Dimension[] | null;
}

const NOTHING: Facts = { type: null, shape: null, ints: null };
const BOOLEAN = /^(Equal|Greater|Less|Or)$/;
/** Operators whose output has the shape of the first input. */
const LIKE_FIRST_INPUT =
  /^(Cast|Exp|Identity|Log|Neg|QuickGelu|Relu|RotaryEmbedding|ScatterElements|Sigmoid|Softmax|Sqrt|Tanh)$/;
const BROADCASTING = /^(Add|Div|Equal|Greater|Less|Mul|Or|Sub|Where)$/;
const REDUCTIONS = /^Reduce(Max|Mean|Sum)$/;

const known = (sizes: readonly Dimension[]): readonly number[] | null =>
  sizes.every((size) => typeof size === "number") ? sizes : null;

function intsOf(tensor: TensorData): readonly number[] | null {
  const small = 64;
  if (tensor.type !== "int64" || tensor.data.kind !== "inline" || tensor.shape.length > 1) return null;
  if (tensor.data.bytes.length > small * 8) return null;
  const copy = tensor.data.bytes.slice();
  return Array.from(new BigInt64Array(copy.buffer), Number);
}

/** Facts about every value of a builder; each question first reads the nodes that are new. */
export class ValueFacts {
  readonly #g: GraphBuilder;
  readonly #facts = new Map<Value, Facts>();
  #inputs = 0;
  #nodes = 0;
  #unknown = 0;

  constructor(g: GraphBuilder) {
    this.#g = g;
  }

  of(value: Value): Facts {
    for (; this.#inputs < this.#g.inputs.length; this.#inputs++) {
      const input = this.#g.inputs[this.#inputs];
      if (input) this.#facts.set(input.name, { type: input.type, shape: input.shape, ints: null });
    }
    for (; this.#nodes < this.#g.nodes.length; this.#nodes++) {
      const node = this.#g.nodes[this.#nodes];
      if (node) this.#infer(node);
    }
    return this.#look(value);
  }

  type(value: Value): DataType | null {
    return this.of(value).type;
  }

  shape(value: Value): Shape | null {
    return this.of(value).shape;
  }

  /** States a value's shape that the operators do not tell: a cotangent has its value's. */
  learn(value: Value, shape: Shape | null): void {
    const facts = this.of(value);
    if (shape !== null) this.#facts.set(value, { ...facts, shape });
  }

  #look(value: Value | undefined): Facts {
    if (value === undefined || value === "") return NOTHING;
    const there = this.#facts.get(value);
    if (there !== undefined) return there;
    const tensor = this.#g.initializers.get(value);
    if (tensor === undefined) return NOTHING;
    const facts = { type: tensor.type, shape: tensor.shape, ints: intsOf(tensor) };
    this.#facts.set(value, facts);
    return facts;
  }

  /** An unknown size. */
  #some(): Dimension {
    return `?${this.#unknown++}`;
  }

  #infer(node: Node): void {
    const inputs = node.inputs.map((input) => this.#look(input));
    const [first = NOTHING] = inputs;
    const shapes = this.#shapes(node, inputs);
    const ints = this.#ints(node, inputs);
    const type = this.#type(node, inputs) ?? first.type;
    node.outputs.forEach((output, index) => {
      if (output === "") return;
      this.#facts.set(output, {
        type,
        shape: shapes[index] ?? null,
        ints: type === "int64" && index === 0 ? ints : null,
      });
    });
  }

  /** The type of the outputs; null when it is that of the first input. */
  #type(node: Node, inputs: readonly Facts[]): DataType | null {
    if (BOOLEAN.test(node.operator)) return "bool";
    if (/^(Shape|Size|NonZero)$/.test(node.operator)) return "int64";
    if (node.operator === "Where") return inputs[1]?.type ?? null;
    if (node.operator === "Cast") {
      const wanted = intAttribute(node, "to", 0);
      const entry = Object.entries(DATA_TYPES).find(([, number]) => number === wanted);
      return (entry?.[0] as DataType | undefined) ?? null; // the table's own keys
    }
    if (node.operator === "ConstantOfShape") {
      const value = node.attributes.value;
      return typeof value === "object" && "tensor" in value ? value.tensor.type : "float32";
    }
    return null;
  }

  /** Right-aligned. Against 1 the other size counts, against a name a number other than 1; different names give an
   * unknown size. */
  broadcast(shapes: readonly (Shape | null)[]): Shape | null {
    const all: Shape[] = [];
    for (const shape of shapes) {
      if (shape === null) return null;
      all.push(shape);
    }
    const rank = Math.max(0, ...all.map((shape) => shape.length));
    return Array.from({ length: rank }, (_, axis) => {
      const sizes = all.map((shape) => shape[axis - rank + shape.length] ?? 1);
      const rest = new Set(sizes.filter((size) => size !== 1));
      const number = [...rest].find((size) => typeof size === "number");
      if (number !== undefined) return number;
      if (rest.size === 0) return 1;
      const [only] = rest;
      return rest.size === 1 && only !== undefined ? only : this.#some();
    });
  }

  #ints(node: Node, inputs: readonly Facts[]): readonly Dimension[] | null {
    const [first = NOTHING, second = NOTHING] = inputs;
    const constant = (index: number): readonly number[] | null => known(inputs[index]?.ints ?? ["?"]);
    switch (node.operator) {
      case "Shape": {
        const { end } = node.attributes;
        return first.shape?.slice(0, typeof end === "number" ? end : undefined) ?? null;
      }
      case "Size":
        return first.shape === null ? null : [productOf(first.shape)];
      case "Identity":
      case "Cast":
      case "Squeeze":
      case "Unsqueeze":
      case "Reshape":
        return first.ints;
      case "Concat": {
        const all: Dimension[] = [];
        for (const { ints } of inputs) {
          if (ints === null) return null;
          all.push(...ints);
        }
        return all;
      }
      case "Gather": {
        const picked = constant(1)?.map((index) => first.ints?.at(index));
        return picked?.every((size) => size !== undefined) ? (picked as Dimension[]) : null; // just checked
      }
      case "Slice": {
        const [start, end] = [constant(1)?.[0], constant(2)?.[0]];
        if (start === undefined || end === undefined) return null;
        return first.ints?.slice(start, end) ?? null;
      }
      case "Mul":
      case "Div": {
        if (first.ints === null || second.ints === null) return null;
        const [a, b] = [first.ints, second.ints];
        const size = Math.max(a.length, b.length);
        const pair = (i: number): readonly [Dimension, Dimension] => [
          a[a.length === 1 ? 0 : i] ?? 1,
          b[b.length === 1 ? 0 : i] ?? 1,
        ];
        return Array.from({ length: size }, (_, i) => {
          const [left, right] = pair(i);
          if (node.operator === "Mul") return productOf([left, right]);
          if (typeof left === "number" && typeof right === "number") return Math.trunc(left / right);
          return quotientOf(left, right) ?? this.#some();
        });
      }
      default:
        return null;
    }
  }

  /** Of our own operator: the rows of the codes, at inputs 4, 7 and 10, take the place of x's columns. */
  #quantisedProduct(node: Node, [x = null, , , , ...sources]: readonly (Shape | null)[]): Shape | null {
    const rows = known(sources.filter((_, index) => index % 3 === 0).map((codes) => codes?.[0] ?? "?"));
    if (x === null || rows === null) return null;
    const sum = rows.reduce((total, count) => total + count, 0);
    return [...x.slice(0, -1), intAttribute(node, "swiglu", 0) === 1 ? sum / 2 : sum];
  }

  #shapes(node: Node, inputs: readonly Facts[]): readonly (Shape | null)[] {
    const { operator } = node;
    const [first = NOTHING, second = NOTHING] = inputs;
    const x = first.shape;
    const shapes = inputs.map(({ shape }) => shape);
    if (LIKE_FIRST_INPUT.test(operator)) return [x];
    if (BROADCASTING.test(operator)) return [this.broadcast(shapes)];
    if (REDUCTIONS.test(operator)) return [this.#reduced(node, inputs)];
    switch (operator) {
      case "SimplifiedLayerNormalization":
        return [x, x && [...x.slice(0, -1), 1]];
      case "MatMul":
      case "FusedMatMul":
      case "Gemm":
        return [this.#product(node, x, second.shape)];
      case "Linear":
        return [this.#quantisedProduct(node, shapes)];
      case "Transpose": {
        const perm = intsAttribute(node, "perm");
        return [x && (perm ? perm.map((axis) => x[axis] ?? this.#some()) : [...x].reverse())];
      }
      case "Reshape":
        return [this.#reshaped(x, second.ints)];
      case "Flatten": {
        const axis = intAttribute(node, "axis", 1);
        return [x && [productOf(x.slice(0, axis)), productOf(x.slice(axis))]];
      }
      case "Expand":
        return [this.broadcast([x, second.ints])];
      case "ConstantOfShape":
        return [first.ints];
      case "Shape":
        return [x && [x.length]];
      case "Size":
        return [[]];
      case "Range": {
        const fromZero = first.ints?.[0] === 0 && inputs[2]?.ints?.[0] === 1;
        return [[(fromZero ? second.ints?.[0] : undefined) ?? this.#some()]];
      }
      case "Squeeze":
      case "Unsqueeze":
        return [this.#squeezed(node, x, second.ints)];
      case "Gather": {
        if (x === null || second.shape === null) return [null];
        const axis = intAttribute(node, "axis", 0);
        const at = axis < 0 ? axis + x.length : axis;
        return [[...x.slice(0, at), ...second.shape, ...x.slice(at + 1)]];
      }
      case "GatherElements":
        return [second.shape];
      case "Concat":
        return [this.#concatenated(intAttribute(node, "axis", 0), shapes)];
      case "Split":
        return this.#parts(node, x, second.ints);
      case "Slice":
        return [this.#sliced(x, inputs)];
      default:
        return [];
    }
  }

  #reduced(node: Node, inputs: readonly Facts[]): Shape | null {
    const x = inputs[0]?.shape ?? null;
    if (x === null) return null;
    const keep = intAttribute(node, "keepdims", 1) === 1;
    const none = node.inputs[1] === undefined || node.inputs[1] === "";
    const axes = none ? x.map((_, axis) => axis) : known(inputs[1]?.ints ?? ["?"]);
    if (axes === null) return keep ? x.map(() => this.#some()) : null;
    const gone = new Set(axes.map((axis) => (axis < 0 ? axis + x.length : axis)));
    return keep ? x.map((size, axis) => (gone.has(axis) ? 1 : size)) : x.filter((_, axis) => !gone.has(axis));
  }

  #product(node: Node, a: Shape | null, b: Shape | null): Shape | null {
    if (a === null || b === null) return null;
    const swap = (shape: Shape, wanted: boolean): Shape =>
      wanted && shape.length > 1 ? [...shape.slice(0, -2), ...shape.slice(-2).reverse()] : shape;
    const left = swap(a, intAttribute(node, "transA", 0) === 1);
    const right = swap(b, intAttribute(node, "transB", 0) === 1);
    const batch = this.broadcast([left.slice(0, -2), right.slice(0, -2)]);
    return batch && [...batch, ...left.slice(-2, -1), ...(right.length > 1 ? right.slice(-1) : [])];
  }

  #reshaped(x: Shape | null, target: readonly Dimension[] | null): Shape | null {
    if (target === null) return null;
    const kept = target.map((size, axis) => (size === 0 ? (x?.[axis] ?? this.#some()) : size));
    const rest = kept.filter((size) => size !== -1);
    const left = x === null ? null : quotientOf(productOf(x), productOf(rest));
    return kept.map((size) => (size === -1 ? (left ?? this.#some()) : size));
  }

  #squeezed(node: Node, x: Shape | null, axes: readonly Dimension[] | null): Shape | null {
    if (x === null) return null;
    const list = known(axes ?? ["?"]);
    if (node.operator === "Squeeze") {
      if (list === null) return null;
      const gone = new Set(list.map((axis) => (axis < 0 ? axis + x.length : axis)));
      return x.filter((_, axis) => !gone.has(axis));
    }
    if (list === null) return null;
    const rank = x.length + list.length;
    const added = new Set(list.map((axis) => (axis < 0 ? axis + rank : axis)));
    const rest = [...x];
    return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (rest.shift() ?? 1)));
  }

  #concatenated(axis: number, shapes: readonly (Shape | null)[]): Shape | null {
    const [first] = shapes;
    if (!first || shapes.includes(null)) return null;
    const at = axis < 0 ? axis + first.length : axis;
    const sizes = known(shapes.map((shape) => shape?.[at] ?? "?"));
    const total = sizes === null ? this.#some() : sizes.reduce((sum, size) => sum + size, 0);
    return first.map((size, index) => (index === at ? total : size));
  }

  #parts(node: Node, x: Shape | null, sizes: readonly Dimension[] | null): readonly (Shape | null)[] {
    if (x === null) return [];
    const axis = intAttribute(node, "axis", 0);
    const at = axis < 0 ? axis + x.length : axis;
    return node.outputs.map((_, index) => {
      const part = sizes?.[index] ?? this.#some();
      return x.map((size, dimension) => (dimension === at ? part : size));
    });
  }

  #sliced(x: Shape | null, inputs: readonly Facts[]): Shape | null {
    if (x === null) return null;
    const at = (index: number): readonly number[] | null => known(inputs[index]?.ints ?? ["?"]);
    const [starts, ends] = [at(1), at(2)];
    const axes = inputs[3]?.type ? at(3) : x.map((_, axis) => axis);
    if (axes === null) return x.map(() => this.#some());
    const result = [...x];
    axes.forEach((axis, index) => {
      const place = axis < 0 ? axis + x.length : axis;
      const [size, start, end] = [x[place], starts?.[index], ends?.[index]];
      const isKnown = typeof size === "number" && start !== undefined && end !== undefined;
      const bound = (position: number, size: number): number =>
        Math.min(size, Math.max(0, position < 0 ? position + size : position));
      result[place] = isKnown ? Math.max(0, bound(end, size) - bound(start, size)) : this.#some();
    });
    return result;
  }
}
