// A step graph whose attention computes in float16, whatever the rest of it computes in: for devices that have no other
// attention over a cache. It knows no device.

import { decodeModel } from "../onnx/decode.ts";
import { encodeModel } from "../onnx/encode.ts";
import { DATA_TYPES, type FloatType, type Node, type Value, type ValueInfo } from "../onnx/graph.ts";

const ATTENTION = "GroupQueryAttention";
/** Its inputs by place: query, key, value, past key, past value, lengths, total length, cosine, sine. */
const FLOATS_IN = [0, 1, 2, 7, 8];

const isCache = ({ name }: ValueInfo): boolean => /^(past_key_values|present)\./.test(name);
const inHalf = (info: ValueInfo): ValueInfo => (isCache(info) ? { ...info, type: "float16" } : info);

function cast(x: Value, to: FloatType, result: Value): Node {
  const attributes = { to: DATA_TYPES[to] };
  return { name: `${result}.Cast`, operator: "Cast", domain: "", inputs: [x], outputs: [result], attributes };
}

/** An encoded step graph with keys and values kept, and attention computed, in float16: what goes into attention is rounded
 * to it, and what comes out widened again. Null where they are in float16 already.
 * @throws MAGDI_BAD_GRAPH when the bytes are no graph. */
export function attentionInHalf(bytes: Uint8Array): Uint8Array | null {
  const model = decodeModel(bytes);
  const { graph } = model;
  if (graph.inputs.every((info) => !isCache(info) || info.type === "float16")) return null;
  const nodes: Node[] = [];
  // The tables of the rotary embedding are every layer's.
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
