// What can be said of a graph's values before it runs: element type, shape as far as its names tell, and the
// numbers in small int64 vectors that shapes are made of. It knows the operators' shape rules, and nothing it
// cannot be sure of: an unknown size is a name of its own, an unknown shape is null.

import { productOf, quotientOf } from "./dimension.ts";
import type { Attribute, DataType, Dimension, Node, TensorData, Value } from "./graph.ts";
import { DATA_TYPES } from "./graph.ts";
import type { GraphBuilder } from "./graph-builder.ts";

export type Shape = readonly Dimension[];

export interface Facts {
  /** null where even that is unknown. */
  readonly type: DataType | null;
  readonly shape: Shape | null;
  /** The values of an int64 scalar or vector. */
  readonly ints: readonly Dimension[] | null;
}

const NOTHING: Facts = { type: null, shape: null, ints: null };
const BOOLEAN = new Set(["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Not"]);
/** Operators whose only output, or first, has the type and shape of the first input. */
const LIKE_FIRST_INPUT = new Set(
  `Neg Abs Sqrt Exp Log Tanh Sigmoid Relu Reciprocal Sign Sin Cos Erf Floor Ceil Round Identity Softmax LogSoftmax
  CumSum ScatterElements ScatterND RotaryEmbedding QuickGelu Gelu Softplus Clip Dropout Trilu Not`.split(
    /\s+/,
  ),
);
const BROADCASTING = new Set(
  `Add Sub Mul Div Pow Max Min Sum Mod Equal Greater Less GreaterOrEqual LessOrEqual And Or Where`.split(
    /\s+/,
  ),
);
const REDUCTIONS = /^Reduce(Sum|Mean|Max|Min|Prod|L1|L2|LogSum|LogSumExp|SumSquare)$/;

/** An INT attribute, or what it is when left out. */
export function intAttribute(node: Node, name: string, otherwise: number): number {
  const attribute: Attribute | undefined = node.attributes[name];
  return typeof attribute === "number" ? attribute : otherwise;
}

/** A FLOAT attribute, or what it is when left out. */
export function floatAttribute(node: Node, name: string, otherwise: number): number {
  const attribute: Attribute | undefined = node.attributes[name];
  return typeof attribute === "object" && "float" in attribute ? attribute.float : otherwise;
}

/** An INTS attribute; null when left out. */
export function intsAttribute(node: Node, name: string): readonly number[] | null {
  const attribute: Attribute | undefined = node.attributes[name];
  return Array.isArray(attribute) ? attribute : null;
}

const known = (sizes: readonly Dimension[]): readonly number[] | null =>
  sizes.every((size) => typeof size === "number") ? sizes : null;

function intsOf(tensor: TensorData): readonly number[] | null {
  const small = 64;
  if (tensor.type !== "int64" || tensor.data.kind !== "inline" || tensor.shape.length > 1) return null;
  if (tensor.data.bytes.length > small * 8) return null;
  const copy = tensor.data.bytes.slice();
  return Array.from(new BigInt64Array(copy.buffer), Number);
}

/** Facts of every value in a builder, brought up to date with its newest nodes at each question. */
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

  /** Takes the shape of a value from one who knows it otherwise: a cotangent has its value's shape. */
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

  /** A size that nothing is known of. */
  #some(): Dimension {
    return `?${this.#unknown++}`;
  }

  #infer(node: Node): void {
    const inputs = node.inputs.map((input) => this.#look(input));
    const [first = NOTHING] = inputs;
    const shapes = this.#shapes(node, inputs);
    const ints = this.#ints(node, inputs);
    node.outputs.forEach((output, index) => {
      if (output === "") return;
      const type = this.#type(node, index, inputs) ?? first.type;
      this.#facts.set(output, {
        type,
        shape: shapes[index] ?? null,
        ints: type === "int64" && index === 0 ? ints : null,
      });
    });
  }

  #type(node: Node, output: number, inputs: readonly Facts[]): DataType | null {
    const second = inputs[1]?.type ?? null;
    if (BOOLEAN.has(node.operator)) return "bool";
    if (/^(Shape|Size|NonZero|ArgMax|ArgMin)$/.test(node.operator)) return "int64";
    if (node.operator === "Where") return second;
    if (node.operator === "TopK" && output === 1) return "int64";
    if (node.operator === "OneHot" || node.operator === "GatherBlockQuantized")
      return inputs[2]?.type ?? null;
    const wanted = node.operator === "Cast" ? intAttribute(node, "to", 0) : 0;
    const entry = Object.entries(DATA_TYPES).find(([, number]) => number === wanted);
    if (entry !== undefined) return entry[0] as DataType; // the table's own keys
    if (node.operator === "ConstantOfShape") {
      const value = node.attributes.value;
      return typeof value === "object" && "tensor" in value ? value.tensor.type : "float32";
    }
    return null;
  }

  /** Right-aligned; a size against 1 is that size, one known number that is not 1 wins, else equal names do. */
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
        const end = node.attributes.end;
        const from = intAttribute(node, "start", 0);
        return first.shape?.slice(from, typeof end === "number" ? end : undefined) ?? null;
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
        const [start, end, step] = [
          constant(1)?.[0],
          constant(2)?.[0],
          node.inputs[4] ? constant(4)?.[0] : 1,
        ];
        if (start === undefined || end === undefined || step !== 1) return null;
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

  #shapes(node: Node, inputs: readonly Facts[]): readonly (Shape | null)[] {
    const { operator } = node;
    const [first = NOTHING, second = NOTHING] = inputs;
    const x = first.shape;
    const shapes = inputs.map(({ shape }) => shape);
    if (LIKE_FIRST_INPUT.has(operator) || operator === "Cast") return [x];
    if (BROADCASTING.has(operator)) return [this.broadcast(shapes)];
    if (REDUCTIONS.test(operator)) return [this.#reduced(node, inputs)];
    switch (operator) {
      case "SimplifiedLayerNormalization":
      case "SkipSimplifiedLayerNormalization":
        return [x, x && [...x.slice(0, -1), 1], x && [...x.slice(0, -1), 1], x];
      case "MatMul":
      case "FusedMatMul":
      case "Gemm":
        return [this.#product(node, x, second.shape)];
      case "MatMulIntegerToFloat":
        return [this.#product(node, x, second.shape)];
      case "QuantizeLinear":
      case "DequantizeLinear":
        return [x];
      case "MatMulNBits":
        return [x && [...x.slice(0, -1), intAttribute(node, "N", 0)]];
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
      case "Gather":
      case "GatherBlockQuantized": {
        if (x === null || second.shape === null || operator !== "Gather") return [null];
        const axis = intAttribute(node, "axis", 0);
        const at = axis < 0 ? axis + x.length : axis;
        return [[...x.slice(0, at), ...second.shape, ...x.slice(at + 1)]];
      }
      case "GatherElements":
        return [second.shape];
      case "GatherND": {
        const batch = intAttribute(node, "batch_dims", 0);
        const depth = second.shape?.at(-1);
        if (x === null || second.shape === null || typeof depth !== "number") return [null];
        return [[...second.shape.slice(0, -1), ...x.slice(batch + depth)]];
      }
      case "Concat":
        return [this.#concatenated(intAttribute(node, "axis", 0), shapes)];
      case "Split":
        return this.#parts(node, x, second.ints);
      case "Slice":
        return [this.#sliced(x, inputs)];
      case "Pad":
      case "Tile":
        return [x?.map(() => this.#some()) ?? null];
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
    const parts = intAttribute(node, "num_outputs", node.outputs.length);
    return node.outputs.map((_, index) => {
      const whole = x[at];
      const even = typeof whole === "number" && whole % parts === 0 ? whole / parts : this.#some();
      const part = node.inputs[1] ? (sizes?.[index] ?? this.#some()) : even;
      return x.map((size, dimension) => (dimension === at ? part : size));
    });
  }

  #sliced(x: Shape | null, inputs: readonly Facts[]): Shape | null {
    if (x === null) return null;
    const at = (index: number): readonly number[] | null => known(inputs[index]?.ints ?? ["?"]);
    const [starts, ends] = [at(1), at(2)];
    const axes = inputs[3]?.type ? at(3) : x.map((_, axis) => axis);
    if (axes === null) return x.map(() => this.#some());
    const steps = inputs[4]?.type ? at(4) : axes.map(() => 1);
    const result = [...x];
    axes.forEach((axis, index) => {
      const place = axis < 0 ? axis + x.length : axis;
      const [size, start, end, step] = [x[place], starts?.[index], ends?.[index], steps?.[index]];
      const plain = typeof size === "number" && start !== undefined && end !== undefined && step === 1;
      const bound = (position: number, size: number): number =>
        Math.min(size, Math.max(0, position < 0 ? position + size : position));
      result[place] = plain ? Math.max(0, bound(end, size) - bound(start, size)) : this.#some();
    });
    return result;
  }
}
