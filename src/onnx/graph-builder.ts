// Builds a graph node by node: unique names under a scope, constants stored once, inputs and outputs declared. It does not
// know what the operators do: see operators.ts.

import { isDeepStrictEqual } from "node:util";
import { MagdiError } from "../base/errors.ts";
import {
  type Attribute,
  DATA_TYPE_BYTES,
  type DataType,
  type Dimension,
  elementsOf,
  type Model,
  type Node,
  type TensorData,
  type Value,
  type ValueInfo,
} from "./graph.ts";
import type { Operator } from "./operator-names.ts";

/** The domain of our own operators. */
export const OWN_DOMAIN = "magdi";

export interface NodeOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Names of the outputs; "" leaves one out. Without it there is one output with a fresh name. */
  readonly outputs?: readonly Value[];
}

/** Nodes from the place `start` up to, not including, `end`. */
export interface NodeRange {
  readonly start: number;
  readonly end: number;
}

/** A derivative stated by whoever made a value: with respect to `inputs`, from the cotangent dy of the value to a function
 * that appends the cotangent of each input. */
export interface CustomGradient {
  readonly inputs: readonly Value[];
  readonly rule: (backward: { readonly dy: Value }) => readonly (() => Value)[];
}

export class GraphBuilder {
  /** By the value that each is the derivative of: see withGradient in gradient.ts. */
  readonly customGradients = new Map<Value, CustomGradient>();
  /** In order and without overlaps: see activation-checkpointing.ts. */
  recomputedSegments: readonly NodeRange[] = [];
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  readonly #nodes: Node[] = [];
  /** The index in #nodes of the node that makes a value. */
  readonly #producers = new Map<Value, number>();
  readonly #initializers = new Map<Value, TensorData>();
  readonly #taken = new Set<string>();
  /** Names from name() that no node has taken yet. */
  readonly #promised = new Set<string>();
  #scope = "";

  /** Prefixes the names made inside `build` with `scope`, so that errors say where in the model they happened. */
  scoped<T>(scope: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = outer === "" ? scope : `${outer}.${scope}`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  get inputs(): readonly ValueInfo[] {
    return this.#inputs;
  }

  /** In the order in which they were appended, which is a topological one. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** The node that makes a value; null for inputs and initialisers. */
  producerOf(value: Value): Node | null {
    return this.#nodes[this.#producers.get(value) ?? -1] ?? null;
  }

  get initializers(): ReadonlyMap<Value, TensorData> {
    return this.#initializers;
  }

  /** `wanted`, or with a number behind it where that is taken. */
  #unique(wanted: string): string {
    let name = wanted;
    for (let count = 2; this.#taken.has(name); count++) name = `${wanted}_${count}`;
    this.#taken.add(name);
    return name;
  }

  #fresh(base: string): string {
    return this.#unique(this.#scope === "" ? base : `${this.#scope}.${base}`);
  }

  #claim(name: Value): void {
    if (this.#promised.delete(name)) return;
    if (this.#taken.has(name))
      throw new MagdiError("MAGDI_BAD_GRAPH", `the name ${name} is already in the graph`);
    this.#taken.add(name);
  }

  input(name: Value, type: DataType, shape: readonly Dimension[]): Value {
    this.#claim(name);
    this.#inputs.push({ name, type, shape });
    return name;
  }

  /** Declares a value of the graph as an output, under its own name. */
  output(name: Value, type: DataType, shape: readonly Dimension[]): void {
    this.#outputs.push({ name, type, shape });
  }

  /** An initialiser under exactly this name; adding an equal one again does nothing.
   * @throws MAGDI_BAD_GRAPH when the name is taken by another value, or the bytes do not fit the shape. */
  initializer(name: Value, tensor: TensorData): Value {
    const there = this.#initializers.get(name);
    if (there !== undefined && isDeepStrictEqual(there, tensor)) return name;
    this.#claim(name);
    const bytes = tensor.data.kind === "inline" ? tensor.data.bytes.length : tensor.data.length;
    if (bytes !== elementsOf(tensor.shape) * DATA_TYPE_BYTES[tensor.type]) {
      throw new MagdiError(
        "MAGDI_BAD_GRAPH",
        `initialiser ${name}: ${tensor.type} [${tensor.shape.join(", ")}] does not take ${bytes} bytes`,
      );
    }
    this.#initializers.set(name, tensor);
    return name;
  }

  /** A small int64 constant; equal ones are stored once. */
  ints(values: number | readonly number[]): Value {
    const list = typeof values === "number" ? [values] : values;
    const shape = typeof values === "number" ? [] : [list.length];
    const bytes = new Uint8Array(BigInt64Array.from(list, BigInt).buffer);
    const name = typeof values === "number" ? `constant.int.${values}` : `constant.ints.${list.join("_")}`;
    return this.initializer(name, { type: "int64", shape, data: { kind: "inline", bytes } });
  }

  /** A scalar constant; equal ones are stored once. */
  float(value: number, type: "float32" | "float64" = "float32"): Value {
    const double = type === "float64";
    const bytes = new Uint8Array((double ? Float64Array.of(value) : Float32Array.of(value)).buffer);
    const text = Object.is(value, -0) ? "-0" : value;
    return this.initializer(`constant.${double ? "double" : "float"}.${text}`, {
      type,
      shape: [],
      data: { kind: "inline", bytes },
    });
  }

  /** Appends a node; returns the names of its outputs.
   * @throws MAGDI_BAD_GRAPH when one of `outputs` is another value's name. */
  node(operator: Operator, inputs: readonly Value[], options: NodeOptions = {}): readonly Value[] {
    const name = this.#fresh(operator);
    for (const output of options.outputs ?? []) if (output !== "") this.#claim(output);
    const outputs = options.outputs ?? [this.#unique(`${name}.out`)];
    const { domain = "", attributes = {} } = options;
    for (const output of outputs) if (output !== "") this.#producers.set(output, this.#nodes.length);
    this.#nodes.push({ name, operator, domain, inputs, outputs, attributes });
    return outputs;
  }

  /** Appends a copy of a node with other inputs and outputs. */
  append(like: Node, inputs: readonly Value[], outputs: readonly Value[]): void {
    for (const output of outputs) if (output !== "") this.#claim(output);
    for (const output of outputs) if (output !== "") this.#producers.set(output, this.#nodes.length);
    this.#nodes.push({ ...like, name: this.#fresh(like.operator), inputs, outputs });
  }

  /** Drops those nodes from index `start` on that no value in `wanted` depends on. */
  prune(start: number, wanted: Iterable<Value>): void {
    const needed = new Set(wanted);
    const kept: Node[] = [];
    for (const node of this.#nodes.splice(start).reverse()) {
      const used = node.outputs.some((output) => needed.has(output));
      if (used) kept.push(node);
      for (const output of node.outputs) this.#producers.delete(output);
      if (used) for (const input of node.inputs) needed.add(input);
    }
    for (const node of kept.reverse()) {
      for (const output of node.outputs) if (output !== "") this.#producers.set(output, this.#nodes.length);
      this.#nodes.push(node);
    }
  }

  /** Drops every node that no output of the graph depends on. */
  pruneUnused(): void {
    this.prune(
      0,
      this.#outputs.map(({ name }) => name),
    );
  }

  /** A node with one output. */
  value(operator: Operator, inputs: readonly Value[], options: NodeOptions = {}): Value {
    const [output] = this.node(operator, inputs, options);
    if (output === undefined) throw new MagdiError("MAGDI_BAD_GRAPH", `${operator} has no output`);
    return output;
  }

  /** A unique name within the scope, for an output of a node that has several. */
  name(base: string): Value {
    const name = this.#fresh(base);
    this.#promised.add(name);
    return name;
  }

  /** Adds an optional output to the node that makes `value`; returns its name.
   * @throws MAGDI_BAD_GRAPH when no node makes the value. */
  optionalOutput(value: Value, index: number, base: string): Value {
    const at = this.#producers.get(value) ?? -1;
    const node = this.#nodes[at];
    if (node === undefined) throw new MagdiError("MAGDI_BAD_GRAPH", `no node of the graph makes ${value}`);
    const known = node.outputs[index];
    if (known !== undefined && known !== "") return known;
    const name = this.#unique(`${node.name}.${base}`);
    const length = Math.max(node.outputs.length, index + 1);
    const outputs = Array.from({ length }, (_, i) => (i === index ? name : (node.outputs[i] ?? "")));
    this.#nodes[at] = { ...node, outputs };
    this.#producers.set(name, at);
    return name;
  }

  build(name: string): Model {
    const graph = {
      name,
      inputs: this.#inputs,
      outputs: this.#outputs,
      nodes: this.#nodes,
      initializers: this.#initializers,
    };
    const own = this.#nodes.some(({ domain }) => domain === OWN_DOMAIN) ? { [OWN_DOMAIN]: 1 } : {};
    return { graph, producer: "magdi", irVersion: 10, opsets: { "": 21, "com.microsoft": 1, ...own } };
  }
}
