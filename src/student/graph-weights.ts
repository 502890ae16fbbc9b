// The weights of a step graph, by module: which initializers hold a module's rows. It reads names and places, not numbers.

import { decodeModel } from "../onnx/decode.ts";
import { DATA_TYPE_BYTES, elementsOf, type Graph, type Node, type TensorData } from "../onnx/graph.ts";

/** Modules that are stored as one weight: "…q_proj+k_proj" holds the rows of both, in this order. */
export interface WeightGroup {
  readonly name: string;
  readonly modules: readonly string[];
}

export class GraphWeights {
  readonly initializers: ReadonlyMap<string, TensorData>;
  readonly #nodes: readonly Node[];
  readonly #groups = new Map<string, WeightGroup>();

  /** @throws MAGDI_BAD_GRAPH when the bytes are not a graph. */
  static decode(bytes: Uint8Array): GraphWeights {
    return new GraphWeights(decodeModel(bytes).graph);
  }

  constructor(graph: Pick<Graph, "initializers" | "nodes">) {
    this.initializers = graph.initializers;
    this.#nodes = graph.nodes;
    for (const initializer of graph.initializers.keys()) {
      const name = /^(.*)\.(?:weight|bias)(?:\.codes)?$/.exec(initializer)?.[1];
      if (name === undefined) continue;
      const parent = name.slice(0, name.lastIndexOf(".") + 1);
      const modules = name
        .slice(parent.length)
        .split("+")
        .map((module) => parent + module);
      for (const module of modules) this.#groups.set(module, { name, modules });
    }
  }

  has(name: string): boolean {
    return this.initializers.has(name);
  }

  /** The weight that holds a module's rows; undefined where there is none. */
  groupOf(module: string): WeightGroup | undefined {
    return this.#groups.get(module);
  }

  /** The code that a quantised weight stores as 2^(bits−1), where it has minimums: the graph adds min + centre·scale to each
   * block. */
  centreOf(group: string): number | null {
    const scales = this.#widened(`${group}.weight.scales`);
    for (const { operator, inputs } of this.#nodes) {
      const [first = "", second = ""] = inputs;
      const factor = operator === "Mul" && first === scales ? this.initializers.get(second) : undefined;
      if (factor === undefined || factor.data.kind !== "inline" || factor.type !== "float32") continue;
      if (elementsOf(factor.shape) !== 1 || factor.data.bytes.length !== DATA_TYPE_BYTES.float32) continue;
      return new DataView(factor.data.bytes.buffer, factor.data.bytes.byteOffset).getFloat32(0, true);
    }
    return null;
  }

  /** The value that a stored tensor is read as: itself, or its cast. */
  #widened(name: string): string {
    const cast = this.#nodes.find((node) => node.operator === "Cast" && node.inputs[0] === name);
    return cast?.outputs[0] ?? name;
  }
}
