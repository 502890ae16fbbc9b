// What a decoder needs of its weights: by Hugging Face key, in whatever format they were put into the graph.

import type { FloatType, Value } from "../onnx/graph.ts";
import type { LinearGroup, LinearWeight } from "./linear.ts";

/** What a layer needs. */
export interface LayerWeights {
  /** The modules' weights and biases; neighbours of one format come as one group, which is one product. */
  linears(modules: readonly string[]): readonly LinearGroup[];
  /** A norm's weight. */
  vector(name: string): Value;
}

export interface DecoderWeights extends LayerWeights {
  /** Of activations, norms, tables, keys and values, and of all floats among the weights. */
  readonly floats: FloatType;
  readonly embedding: LinearWeight;
  /** The vocabulary projection; the embedding's own bytes when the head is tied. */
  readonly head: LinearWeight;
  /** [positions, headSize/2] */
  readonly cosine: Value;
  readonly sine: Value;
}
