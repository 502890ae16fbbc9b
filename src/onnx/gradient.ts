// Gradients: walks a builder's nodes backwards from a scalar and appends the nodes that compute its derivatives. It
// knows what leads where and how cotangents add up; what each operator's derivative is stands in gradient-rules.ts.

import { MagdiError } from "../errors.ts";
import { undoBroadcast } from "./broadcast.ts";
import { type Rule, type RuleEntry, type TableEntry, unsupported } from "./gradient-rules/rule.ts";
import { entryFor } from "./gradient-rules.ts";
import type { Node, Value } from "./graph.ts";
import type { GraphBuilder } from "./graph-builder.ts";
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
  readonly #sums = new Map<Value, Value>();

  constructor(g: GraphBuilder) {
    this.#g = g;
  }

  add(value: Value, cotangent: Value): void {
    const there = this.#sums.get(value);
    this.#sums.set(value, there === undefined ? cotangent : this.#g.value("Add", [there, cotangent]));
  }

  of(value: Value): Value | null {
    return this.#sums.get(value) ?? null;
  }
}

/** One node on the way back: its outputs' cotangents → its inputs'. */
function stepBack(
  g: GraphBuilder,
  facts: ValueFacts,
  cotangents: Cotangents,
  leading: ReadonlySet<Value>,
  step: Step & { readonly entry: RuleEntry },
): void {
  const { node, entry } = step;
  const arrived = node.outputs.map((output) => cotangents.of(output));
  const [a = "", b = "", c = ""] = node.inputs;
  const [y = ""] = node.outputs;
  const dy = arrived[0] ?? "";
  const functions = entry.rule({ g, facts, node, a, b, c, y, dy, cotangents: arrived });
  node.inputs.forEach((input, index) => {
    if (!leading.has(input)) return;
    const make = functions[index] ?? null;
    if (make === null) throw unsupported(node, `none with respect to its input ${index}, ${input}`);
    const made = make();
    const cotangent = entry.broadcasts ? undoBroadcast(g, facts, made, input) : made;
    facts.learn(cotangent, facts.shape(input));
    cotangents.add(input, cotangent);
  });
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
  const cotangents = new Cotangents(g);
  g.scoped("gradient", () => {
    if (leading.has(loss)) cotangents.add(loss, g.float(1, type === "float64" ? "float64" : "float32"));
    for (const { node, entry } of steps.reverse()) {
      const reached = node.outputs.some((output) => leading.has(output) && cotangents.of(output) !== null);
      if (!reached || !node.inputs.some((input) => leading.has(input)) || entry === "steps") continue;
      if (entry === "unsupported") throw unsupported(node, "there is no rule for it");
      g.scoped(node.name, () => stepBack(g, facts, cotangents, leading, { node, entry }));
    }
  });
  const missing = parameters.filter((parameter) => cotangents.of(parameter) === null);
  if (missing.length > 0) {
    throw new MagdiError(
      "MAGDI_BAD_GRAPH",
      `loss ${loss} does not depend on ${missing.join(", ")}: leave out what has no gradient`,
    );
  }
  return new Map(parameters.map((parameter) => [parameter, cotangents.of(parameter) ?? ""]));
}
