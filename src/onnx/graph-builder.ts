// Builds a graph node by node: fresh names under a scope, constants stored once, inputs and outputs declared. It
// knows no operator's meaning; operators.ts does.

import { MagdiError } from "../errors.ts";
import {
  type Attribute,
  DATA_TYPE_BYTES,
  type DataType,
  type Dimension,
  type Model,
  type Node,
  type TensorData,
  type Value,
  type ValueInfo,
} from "./graph.ts";

export interface NodeOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Names of the outputs; "" leaves one out. Without it there is one output with a fresh name. */
  readonly outputs?: readonly Value[];
}

export class GraphBuilder {
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<Value, TensorData>();
  readonly #taken = new Set<string>();
  #scope = "";

  /** Names inside `build` begin with `scope`, so that an error can say where in the model it happened. */
  scoped<T>(scope: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = outer === "" ? scope : `${outer}.${scope}`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  #fresh(base: string): string {
    const wanted = this.#scope === "" ? base : `${this.#scope}.${base}`;
    let name = wanted;
    for (let count = 2; this.#taken.has(name); count++) name = `${wanted}_${count}`;
    this.#taken.add(name);
    return name;
  }

  #claim(name: Value): void {
    if (this.#taken.has(name))
      throw new MagdiError("MAGDI_BAD_GRAPH", `the name ${name} is already in the graph`);
    this.#taken.add(name);
  }

  input(name: Value, type: DataType, shape: readonly Dimension[]): Value {
    this.#claim(name);
    this.#inputs.push({ name, type, shape });
    return name;
  }

  /** Declares a value of the graph, by the name it has, as an output. */
  output(name: Value, type: DataType, shape: readonly Dimension[]): void {
    this.#outputs.push({ name, type, shape });
  }

  /** An initialiser under its own full name; adding the same name again returns the one that is there. */
  initializer(name: Value, tensor: TensorData): Value {
    if (this.#initializers.has(name)) return name;
    this.#claim(name);
    const count = tensor.shape.reduce((product, size) => product * size, 1);
    const bytes = tensor.data.kind === "inline" ? tensor.data.bytes.length : tensor.data.length;
    if (bytes !== count * DATA_TYPE_BYTES[tensor.type]) {
      throw new MagdiError(
        "MAGDI_BAD_GRAPH",
        `initialiser ${name}: ${tensor.type} [${tensor.shape.join(", ")}] does not take ${bytes} bytes`,
      );
    }
    this.#initializers.set(name, tensor);
    return name;
  }

  /** A small int64 constant, shared by all who ask for the same one. */
  ints(values: number | readonly number[]): Value {
    const list = typeof values === "number" ? [values] : values;
    const shape = typeof values === "number" ? [] : [list.length];
    const bytes = new Uint8Array(BigInt64Array.from(list, BigInt).buffer);
    const name = typeof values === "number" ? `constant.int.${values}` : `constant.ints.${list.join("_")}`;
    return this.initializer(name, { type: "int64", shape, data: { kind: "inline", bytes } });
  }

  /** A scalar float constant, shared by all who ask for the same one. */
  float(value: number): Value {
    const bytes = new Uint8Array(Float32Array.of(value).buffer);
    return this.initializer(`constant.float.${value}`, {
      type: "float32",
      shape: [],
      data: { kind: "inline", bytes },
    });
  }

  /** Appends a node; returns the names of its outputs. */
  node(operator: string, inputs: readonly Value[], options: NodeOptions = {}): readonly Value[] {
    const name = this.#fresh(operator);
    const outputs = options.outputs ?? [`${name}.out`];
    for (const output of outputs) if (output !== "") this.#claim(output);
    const { domain = "", attributes = {} } = options;
    this.#nodes.push({ name, operator, domain, inputs, outputs, attributes });
    return outputs;
  }

  /** A node with one output. */
  value(operator: string, inputs: readonly Value[], options: NodeOptions = {}): Value {
    const [output] = this.node(operator, inputs, options);
    if (output === undefined) throw new MagdiError("MAGDI_BAD_GRAPH", `${operator} has no output`);
    return output;
  }

  /** A fresh output name within the scope, for nodes with several outputs. */
  name(base: string): Value {
    const name = this.#fresh(base);
    this.#taken.delete(name);
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
    return { graph, producer: "magdi", irVersion: 10, opsets: { "": 21, "com.microsoft": 1 } };
  }
}
