// The weights of a decoder in a graph, by Hugging Face key, whatever format they are stored in.

import type { FloatType, Value } from "../onnx/graph.ts";
import type { LinearGroup, LinearWeight } from "./linear.ts";

/** The weights of decoder layers. */
export interface LayerWeights {
  /** The modules' weights and biases; neighbours that are stored as one weight come as one group, for one product. */
  linears(modules: readonly string[]): readonly LinearGroup[];
  /** A norm's weight. */
  vector(name: string): Value;
}

export interface DecoderWeights extends LayerWeights {
  /** The type of activations, norms, rotary tables, keys and values, and of all weights in floats. */
  readonly floats: FloatType;
  readonly embedding: LinearWeight;
  /** The vocabulary projection; the embedding itself when the head is tied. */
  readonly head: LinearWeight;
  /** [positions, headSize/2] */
  readonly cosine: Value;
  readonly sine: Value;
}
