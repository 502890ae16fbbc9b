// Gradients: walks a builder's nodes backwards from a scalar and appends the nodes that compute its derivatives. It
// knows what leads where and how cotangents add up; what each operator's derivative is stands in gradient-rules.ts.

import { MagdiError } from "../base/errors.ts";
import { undoBroadcast } from "./broadcast.ts";
import {
  type Backward,
  type Rule,
  type RuleEntry,
  type TableEntry,
  unsupported,
} from "./gradient-rules/rule.ts";
import { entryFor } from "./gradient-rules.ts";
import type { Node, Value } from "./graph.ts";
import type { GraphBuilder } from "./graph-builder.ts";
import { plusProduct } from "./product-sum.ts";
import { computeAgain, type Part, partsOf } from "./recomputation.ts";
import { ValueFacts } from "./value-facts.ts";

interface Step {
  readonly node: Node;
  readonly entry: TableEntry;
}

/** Values whose gradient was said by whoever made them, by graph. */
const OVERRIDES = new WeakMap<GraphBuilder, Map<Value, Step>>();

/** Gives `output` a gradient of its own: the walk takes it for a function of `inputs`, with `rule` as derivative, and
 * does not look at the nodes between them. Their values may be used by the rule. Returns `output`. */
export function withGradient(g: GraphBuilder, output: Value, inputs: readonly Value[], rule: Rule): Value {
  const overrides = OVERRIDES.get(g) ?? new Map<Value, Step>();
  OVERRIDES.set(g, overrides);
  const name = g.producerOf(output)?.name ?? output;
  const node = { name, operator: "withGradient", domain: "", inputs, outputs: [output], attributes: {} };
  overrides.set(output, { node, entry: { rule, broadcasts: false } });
  return output;
}

/** x → the same values, through which no gradient flows */
export function stopGradient(g: GraphBuilder, x: Value): Value {
  return withGradient(g, g.value("Identity", [x]), [], () => []);
}

function stepsOf(g: GraphBuilder): Step[] {
  const overrides = OVERRIDES.get(g);
  return g.nodes.map((node) => {
    const [output = ""] = node.outputs;
    return overrides?.get(output) ?? { node, entry: entryFor(node) };
  });
}

/** Every value that is a parameter or is computed from one by floating-point numbers all the way. */
function leadingFrom(parameters: readonly Value[], steps: readonly Step[], facts: ValueFacts): Set<Value> {
  const leading = new Set(parameters);
  for (const { node, entry } of steps) {
    if (entry === "steps" || !node.inputs.some((input) => leading.has(input))) continue;
    for (const output of node.outputs) {
      const type = facts.type(output);
      if (output !== "" && (type === null || type.startsWith("float"))) leading.add(output);
    }
  }
  return leading;
}

/** The cotangents that have arrived at each value, added up as they come. */
class Cotangents {
  readonly #g: GraphBuilder;
  readonly #facts: ValueFacts;
  readonly #sums = new Map<Value, Value>();

  constructor(g: GraphBuilder, facts: ValueFacts) {
    this.#g = g;
    this.#facts = facts;
  }

  /** @param own whether the cotangent was made for this value alone */
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

/** The way back over the steps of a graph. */
class Walk {
  readonly #g: GraphBuilder;
  readonly #facts: ValueFacts;
  readonly #leading: ReadonlySet<Value>;
  readonly #cotangents: Cotangents;
  /** What came by already, by each value that it uses. */
  readonly #uses = new Map<Value, Backward[]>();
  readonly #shared = new Map<string, Value>();
  /** The values of each part that was computed again, by the names that the forward pass gave them. */
  readonly #again = new Map<Part, ReadonlyMap<Value, Value>>();

  readonly #forwardEnd: number;

  constructor(g: GraphBuilder, facts: ValueFacts, leading: ReadonlySet<Value>, cotangents: Cotangents) {
    this.#g = g;
    this.#forwardEnd = g.nodes.length;
    this.#facts = facts;
    this.#leading = leading;
    this.#cotangents = cotangents;
  }

  #once(key: string, make: () => Value): Value {
    const made = this.#shared.get(key) ?? make();
    this.#shared.set(key, made);
    return made;
  }

  /** A node as the way back knows it: of a part that is computed again, with the values of the second time. */
  #asKnown(node: Node, part: Part | null, token: Value): Node {
    if (part === null) return node;
    const renamed =
      this.#again.get(part) ?? computeAgain(this.#g, this.#facts, part, this.#forwardEnd, token);
    this.#again.set(part, renamed);
    const rename = (value: Value): Value => renamed.get(value) ?? value;
    return { ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) };
  }

  /** One node's outputs' cotangents → its inputs'. */
  back(step: Step & { readonly entry: RuleEntry }, part: Part | null): void {
    const { entry } = step;
    const arrived = step.node.outputs.map((output) => this.#cotangents.of(output));
    const token = arrived.find((cotangent) => cotangent !== null) ?? "";
    const node = this.#asKnown(step.node, part, token);
    const [a = "", b = "", c = ""] = node.inputs;
    const [y = ""] = node.outputs;
    const back: Backward = {
      g: this.#g,
      facts: this.#facts,
      node,
      a,
      b,
      c,
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
      if (!this.#leading.has(input)) return;
      const make = functions[index] ?? null;
      if (make === null) throw unsupported(node, `none with respect to its input ${index}, ${input}`);
      const before = this.#g.nodes.length;
      const made = make();
      const cotangent = entry.broadcasts ? undoBroadcast(this.#g, this.#facts, made, input) : made;
      this.#facts.learn(cotangent, this.#facts.shape(input));
      this.#cotangents.add(input, cotangent, this.#g.nodes.length > before);
    });
  }
}

/** Appends nodes that compute d loss / d parameter, in the scope "gradient" and there under the name of the node
 * that they are the derivative of. Only nodes on a way from a parameter to the loss get any.
 * @param loss a scalar of the graph
 * @param parameters graph inputs, initialisers or any values before the loss
 * @returns for each parameter its gradient, of the parameter's shape
 * @throws MAGDI_UNSUPPORTED for an operator on such a way that has no rule, by operator and node
 * @throws MAGDI_BAD_GRAPH when the loss is no scalar, or naming every parameter that it does not depend on
 * @example const gradients = gradients(g, loss, [a, b]); g.output(gradients.get(a), "float32", shape) */
export function gradients(g: GraphBuilder, loss: Value, parameters: readonly Value[]): Map<Value, Value> {
  const facts = new ValueFacts(g);
  const { shape, type } = facts.of(loss);
  if (type === null || !type.startsWith("float") || (shape !== null && shape.length > 0)) {
    const found = type === null ? "an unknown value" : `${type} [${shape?.join(", ") ?? "?"}]`;
    throw new MagdiError("MAGDI_BAD_GRAPH", `loss ${loss}: expected a floating-point scalar, found ${found}`);
  }
  const steps = stepsOf(g);
  const leading = leadingFrom(parameters, steps, facts);
  const cotangents = new Cotangents(g, facts);
  const [end, parts] = [g.nodes.length, partsOf(g)];
  const walk = new Walk(g, facts, leading, cotangents);
  g.scoped("gradient", () => {
    if (leading.has(loss))
      cotangents.add(loss, g.float(1, type === "float64" ? "float64" : "float32"), false);
    for (const [index, { node, entry }] of [...steps.entries()].reverse()) {
      const reached = node.outputs.some((output) => leading.has(output) && cotangents.of(output) !== null);
      if (!reached || !node.inputs.some((input) => leading.has(input)) || entry === "steps") continue;
      if (entry === "unsupported") throw unsupported(node, "there is no rule for it");
      const part = parts.find((part) => part.start <= index && index < part.end) ?? null;
      g.scoped(node.name, () => walk.back({ node, entry }, part));
    }
  });
  const missing = parameters.filter((parameter) => cotangents.of(parameter) === null);
  if (missing.length > 0) {
    throw new MagdiError(
      "MAGDI_BAD_GRAPH",
      `loss ${loss} does not depend on ${missing.join(", ")}: leave out what has no gradient`,
    );
  }
  const found = new Map(parameters.map((parameter) => [parameter, cotangents.of(parameter) ?? ""]));
  g.prune(end, found.values());
  return found;
}
