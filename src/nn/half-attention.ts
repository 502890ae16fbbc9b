// Rewrites a step graph so that attention and its cache are float16, whatever the rest of it is: some devices have no other
// kernel for attention over a cache.

import { decodeModel } from "../onnx/decode.ts";
import { encodeModel } from "../onnx/encode.ts";
import { DATA_TYPES, type FloatType, type Node, type Value, type ValueInfo } from "../onnx/graph.ts";

const ATTENTION = "GroupQueryAttention";
/** The indices of query, key, value, cosine and sine among its inputs; 3 to 6 are the cache and the lengths. */
const FLOATS_IN = [0, 1, 2, 7, 8];

const isCache = ({ name }: ValueInfo): boolean => /^(past_key_values|present)\./.test(name);
const inHalf = (info: ValueInfo): ValueInfo => (isCache(info) ? { ...info, type: "float16" } : info);

function cast(x: Value, to: FloatType, result: Value): Node {
  const attributes = { to: DATA_TYPES[to] };
  return { name: `${result}.Cast`, operator: "Cast", domain: "", inputs: [x], outputs: [result], attributes };
}

/** From an encoded step graph to one with a float16 cache: the inputs of attention are cast to float16, its output to
 * float32. Null when the cache is float16 already. @throws MAGDI_BAD_GRAPH when the bytes are not a graph. */
export function attentionInHalf(bytes: Uint8Array): Uint8Array | null {
  const model = decodeModel(bytes);
  const { graph } = model;
  if (graph.inputs.every((info) => !isCache(info) || info.type === "float16")) return null;
  const nodes: Node[] = [];
  // All layers share the rotary tables, which are cast once.
  const rounded = new Map<Value, Value>();
  const round = (x: Value): Value => {
    const there = rounded.get(x);
    if (there !== undefined) return there;
    const result = `${x}.float16`;
    nodes.push(cast(x, "float16", result));
    rounded.set(x, result);
    return result;
  };
  for (const node of graph.nodes) {
    if (node.operator !== ATTENTION) {
      nodes.push(node);
      continue;
    }
    const inputs = node.inputs.map((x, at) => (x !== "" && FLOATS_IN.includes(at) ? round(x) : x));
    const [attended = "", ...caches] = node.outputs;
    nodes.push({ ...node, inputs, outputs: [`${attended}.float16`, ...caches] });
    nodes.push(cast(`${attended}.float16`, "float32", attended));
  }
  const [inputs, outputs] = [graph.inputs.map(inHalf), graph.outputs.map(inHalf)];
  return encodeModel({ ...model, graph: { ...graph, nodes, inputs, outputs } });
}
