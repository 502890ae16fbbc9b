// Reverse-mode differentiation: walks a builder's nodes backwards from a scalar and appends the nodes that compute its
// derivatives. It decides which nodes need a derivative and sums cotangents; gradient-rules.ts has each operator's rule.

import { MagdiError } from "../base/errors.ts";
import { computeAgain } from "./activation-checkpointing.ts";
import { undoBroadcast } from "./broadcast.ts";
import { type Backward, plain, type RuleEntry, type TableEntry, unsupported } from "./gradient-rules/rule.ts";
import { entryFor } from "./gradient-rules.ts";
import type { Node, Value } from "./graph.ts";
import type { CustomGradient, GraphBuilder, NodeRange } from "./graph-builder.ts";
import { plusProduct } from "./product-sum.ts";
import { ValueFacts } from "./shape-inference.ts";

interface Step {
  readonly node: Node;
  readonly entry: TableEntry;
}

/** Gives `output` a derivative of its own, with respect to `inputs`: the walk does not look at the nodes between them.
 * The rule may use their values. Returns `output`. */
export function withGradient(
  g: GraphBuilder,
  output: Value,
  inputs: readonly Value[],
  rule: CustomGradient["rule"],
): Value {
  g.customGradients.set(output, { inputs, rule });
  return output;
}

/** x → the same values, through which no gradient flows */
export function stopGradient(g: GraphBuilder, x: Value): Value {
  return withGradient(g, g.value("Identity", [x]), [], () => []);
}

function stepsOf(g: GraphBuilder): Step[] {
  return g.nodes.map((node) => {
    const [output = ""] = node.outputs;
    const custom = g.customGradients.get(output);
    if (custom === undefined) return { node, entry: entryFor(node) };
    const { inputs, rule } = custom;
    const whole = { ...node, operator: "withGradient", inputs, outputs: [output], attributes: {} };
    return { node: whole, entry: plain(rule) };
  });
}

/** The parameters, and every value that depends on one through floating-point values only. */
function dependentOn(parameters: readonly Value[], steps: readonly Step[], facts: ValueFacts): Set<Value> {
  const dependent = new Set(parameters);
  for (const { node, entry } of steps) {
    if (entry === "steps" || !node.inputs.some((input) => dependent.has(input))) continue;
    for (const output of node.outputs) {
      const type = facts.type(output);
      if (output !== "" && (type === null || type.startsWith("float"))) dependent.add(output);
    }
  }
  return dependent;
}

/** The cotangent of each value: the sum of those that its uses have given so far. */
class Cotangents {
  readonly #g: GraphBuilder;
  readonly #facts: ValueFacts;
  readonly #sums = new Map<Value, Value>();

  constructor(g: GraphBuilder, facts: ValueFacts) {
    this.#g = g;
    this.#facts = facts;
  }

  /** @param own whether the newest nodes made the cotangent for this value alone */
  add(value: Value, cotangent: Value, own: boolean): void {
    const there = this.#sums.get(value);
    this.#sums.set(value, there === undefined ? cotangent : this.#sum(there, cotangent, own));
  }

  #sum(there: Value, cotangent: Value, own: boolean): Value {
    const product = this.#g.producerOf(cotangent);
    const values = [...(product?.inputs ?? []), there];
    const matrices = values.every(
      (value) => this.#facts.shape(value)?.length === 2 && this.#facts.type(value) === "float32",
    );
    return own && matrices
      ? plusProduct(this.#g, there, cotangent)
      : this.#g.value("Add", [there, cotangent]);
  }

  of(value: Value): Value | null {
    return this.#sums.get(value) ?? null;
  }
}

/** The walk backwards over the nodes of a graph. */
class Walk {
  readonly #g: GraphBuilder;
  readonly #facts: ValueFacts;
  readonly #dependent: ReadonlySet<Value>;
  readonly #cotangents: Cotangents;
  /** The nodes walked so far, by each value that they use. */
  readonly #uses = new Map<Value, Backward[]>();
  readonly #shared = new Map<string, Value>();
  /** For each segment that was computed again, the new names of its values by their names in the forward pass. */
  readonly #again = new Map<NodeRange, ReadonlyMap<Value, Value>>();
  /** The number of nodes of the forward pass. */
  readonly #forwardEnd: number;

  constructor(g: GraphBuilder, facts: ValueFacts, dependent: ReadonlySet<Value>, cotangents: Cotangents) {
    this.#g = g;
    this.#forwardEnd = g.nodes.length;
    this.#facts = facts;
    this.#dependent = dependent;
    this.#cotangents = cotangents;
  }

  #once(key: string, make: () => Value): Value {
    const made = this.#shared.get(key) ?? make();
    this.#shared.set(key, made);
    return made;
  }

  /** The node itself, or, in a segment that is computed again, its second computation. */
  #available(node: Node, segment: NodeRange | null, token: Value): Node {
    if (segment === null) return node;
    const renamed =
      this.#again.get(segment) ?? computeAgain(this.#g, this.#facts, segment, this.#forwardEnd, token);
    this.#again.set(segment, renamed);
    const rename = (value: Value): Value => renamed.get(value) ?? value;
    return { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) };
  }

  /** From the cotangents of a node's outputs to those of its inputs. */
  back(step: Step & { readonly entry: RuleEntry }, segment: NodeRange | null): void {
    const { entry } = step;
    const arrived = step.node.outputs.map((output) => this.#cotangents.of(output));
    const token = arrived.find((cotangent) => cotangent !== null) ?? "";
    const node = this.#available(step.node, segment, token);
    const [a = "", b = ""] = node.inputs;
    const [y = ""] = node.outputs;
    const back: Backward = {
      g: this.#g,
      facts: this.#facts,
      node,
      a,
      b,
      y,
      dy: arrived[0] ?? "",
      cotangents: arrived,
      onlyUse: () => {
        const [first = null, ...others] = this.#uses.get(y) ?? [];
        return others.length > 0 ? null : first;
      },
      once: (key, make) => this.#once(key, make),
    };
    for (const input of new Set(node.inputs)) this.#uses.set(input, [...(this.#uses.get(input) ?? []), back]);
    const functions = entry.rule(back);
    step.node.inputs.forEach((input, index) => {
      if (!this.#dependent.has(input)) return;
      const make = functions[index] ?? null;
      if (make === null) throw unsupported(node, `its rule has none for input ${index}, ${input}`);
      const before = this.#g.nodes.length;
      const made = make();
      const cotangent = entry.broadcasts ? undoBroadcast(this.#g, this.#facts, made, input) : made;
      this.#facts.learn(cotangent, this.#facts.shape(input));
      this.#cotangents.add(input, cotangent, this.#g.nodes.length > before);
    });
  }
}

/** Appends nodes that compute d loss / d parameter, in the scope "gradient" under the name of the node whose derivative they
 * are. Only nodes on a path from a parameter to the loss get any.
 * @param loss a scalar of the graph
 * @param parameters graph inputs, initialisers or any values before the loss
 * @returns for each parameter its gradient, of the parameter's shape
 * @throws MAGDI_UNSUPPORTED naming an operator on such a path that has no rule, and its node
 * @throws MAGDI_BAD_GRAPH when the loss is not a scalar, or naming every parameter that it does not depend on
 * @example const gradients = gradients(g, loss, [a, b]); g.output(gradients.get(a), "float32", shape) */
export function gradients(g: GraphBuilder, loss: Value, parameters: readonly Value[]): Map<Value, Value> {
  const facts = new ValueFacts(g);
  const { shape, type } = facts.of(loss);
  if (type === null || !type.startsWith("float") || (shape !== null && shape.length > 0)) {
    const found = type === null ? "an unknown value" : `${type} [${shape?.join(", ") ?? "?"}]`;
    throw new MagdiError("MAGDI_BAD_GRAPH", `loss ${loss}: expected a floating-point scalar, found ${found}`);
  }
  const steps = stepsOf(g);
  const dependent = dependentOn(parameters, steps, facts);
  const cotangents = new Cotangents(g, facts);
  const end = g.nodes.length;
  const walk = new Walk(g, facts, dependent, cotangents);
  g.scoped("gradient", () => {
    if (dependent.has(loss))
      cotangents.add(loss, g.float(1, type === "float64" ? "float64" : "float32"), false);
    for (const [index, { node, entry }] of [...steps.entries()].reverse()) {
      const reached = node.outputs.some((output) => dependent.has(output) && cotangents.of(output) !== null);
      if (!reached || !node.inputs.some((input) => dependent.has(input)) || entry === "steps") continue;
      if (entry === "unsupported") throw unsupported(node, "there is no rule for it");
      const segment = g.recomputedSegments.find(({ start, end }) => start <= index && index < end) ?? null;
      g.scoped(node.name, () => walk.back({ node, entry }, segment));
    }
  });
  const missing = parameters.filter((parameter) => cotangents.of(parameter) === null);
  if (missing.length > 0) {
    throw new MagdiError(
      "MAGDI_BAD_GRAPH",
      `loss ${loss} does not depend on ${missing.join(", ")}: leave these parameters out`,
    );
  }
  const found = new Map(parameters.map((parameter) => [parameter, cotangents.of(parameter) ?? ""]));
  g.prune(end, found.values());
  return found;
}
