// The template library's interpreter within a budget. Every node and every value goes through its `evaluate`; where a
// result may be as large as the product of its operands, these are evaluated and checked before the library works on them.

import { Environment, Interpreter, Template } from "@huggingface/jinja";
import {
  elementsOf,
  type TemplateBudget,
  TemplateBudgetError,
  type TemplateValue,
} from "./template-budget.ts";

/** A node of a parsed template. The library's own declarations do not resolve under Node's module resolution. */
export interface TemplateNode {
  readonly type: string;
}

interface LibraryInterpreter {
  evaluate(node: TemplateNode | undefined, scope: object): TemplateValue;
}

type LibraryFunction = (args: readonly TemplateValue[], scope: object) => TemplateValue;

const LibraryInterpreter: new (globals: object) => LibraryInterpreter = Interpreter;

/** As in Jinja's own sandbox. */
const MAX_RANGE = 100_000;

/** Of nodes that are evaluated inside others. The stack would hold several times as many. */
const MAX_DEPTH = 400;

/** What takes longer than a step, in steps. */
const CHARACTERS_PER_STEP = 64;
const ELEMENTS_PER_STEP = 8;
const SLICED_CHARACTERS_PER_STEP = 4;
const ITERATION_STEPS = 10;
/** The library makes an Error, with its stack, for an unknown name and for break and continue. */
const ERROR_STEPS = 50;
const DATE_STEPS = 2000;

/** The text that a parsed template makes. @throws TemplateBudgetError, and the template's own errors */
export function interpret(
  template: TemplateNode,
  variables: Readonly<Record<string, unknown>>,
  budget: TemplateBudget,
): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries(globals(budget))) environment.set(name, value);
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  return String(new BoundedInterpreter(environment, budget).evaluate(template, environment).value);
}

/** Those of the library's Template, with bounds. */
function globals(budget: TemplateBudget): Record<string, unknown> {
  return {
    ...{ false: false, true: true, none: null, False: false, True: true, None: null },
    raise_exception(message: unknown) {
      throw new Error(String(message));
    },
    range: boundedRange,
    strftime_now(format: unknown) {
      budget.spend(DATE_STEPS);
      return new Template("{{ strftime_now(format) }}").render({ format });
    },
  };
}

function boundedRange(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (step === 0) throw new Error("range() step must not be zero");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length <= MAX_RANGE) return Array.from({ length }, (_, i) => start + i * step);
  if (Number.isNaN(length)) throw new Error("range() expects numbers");
  throw new TemplateBudgetError(`counts over a range of ${length}, at most ${MAX_RANGE} is allowed`);
}

/** A node whose value is known. */
class Evaluated implements TemplateNode {
  readonly type = "Evaluated";
  readonly value: TemplateValue;

  constructor(value: TemplateValue) {
    this.value = value;
  }
}

class BoundedInterpreter extends LibraryInterpreter {
  readonly #budget: TemplateBudget;
  readonly #guarded = new WeakSet<object>();
  #depth = 0;

  constructor(globals: object, budget: TemplateBudget) {
    super(globals);
    this.#budget = budget;
  }

  override evaluate(node: TemplateNode | undefined, scope: object): TemplateValue {
    if (node === undefined) return super.evaluate(node, scope);
    if (node instanceof Evaluated) return node.value;
    this.#budget.spend(1);
    if (this.#depth >= MAX_DEPTH) throw new TemplateBudgetError(`nests deeper than ${MAX_DEPTH}`);
    this.#depth++;
    try {
      const prepared = this.#prepared(node, scope);
      return this.#checked(prepared, super.evaluate(prepared, scope));
    } finally {
      this.#depth--;
    }
  }

  /** The node, with the values of those operands that are checked before the library works on them. */
  #prepared(node: TemplateNode, scope: object): TemplateNode {
    const { iterable, object, property, operand, filter, body } = fieldsOf(node);
    switch (node.type) {
      case "For": {
        const select = isNode(iterable) && iterable.type === "SelectExpression" ? iterable : null;
        const list = this.#known(select === null ? iterable : fieldsOf(select).lhs, scope);
        this.#budget.spend(ITERATION_STEPS * elementsOf(list.value));
        return changed(node, { iterable: select === null ? list : changed(select, { lhs: list }) });
      }
      case "MemberExpression": {
        const known = this.#known(object, scope);
        const text = known.value.value;
        // The library makes a list of a text's characters to slice it.
        const isSlice = typeof text === "string" && isNode(property) && property.type === "SliceExpression";
        if (isSlice) this.#budget.spend(text.length / SLICED_CHARACTERS_PER_STEP);
        return changed(node, { object: known });
      }
      case "FilterExpression":
        return this.#filtered(this.#known(operand, scope), filter, scope);
      case "FilterStatement":
        return this.#filtered(this.#known(changed({ type: "Program" }, { body }), scope), filter, scope);
      case "Break":
      case "Continue":
        this.#budget.spend(ERROR_STEPS);
        return node;
      case "Macro":
      case "CallStatement":
        // The library searches the whole body for kwargs and varargs.
        this.#budget.spend(nodesIn(node));
        return node;
      default:
        return node;
    }
  }

  #known(node: unknown, scope: object): Evaluated {
    return new Evaluated(this.evaluate(isNode(node) ? node : undefined, scope));
  }

  #filtered(operand: Evaluated, filter: unknown, scope: object): TemplateNode {
    let known = filter;
    if (isNode(filter) && filter.type === "CallExpression") {
      const values: TemplateValue[] = [];
      const args = listOf(fieldsOf(filter).args).map((argument) => {
        const [evaluated, value] = this.#argument(argument, scope);
        values.push(value);
        return evaluated;
      });
      this.#budget.allowProduct(operand.value, values);
      known = changed(filter, { args });
    }
    return changed({ type: "FilterExpression" }, { operand, filter: known });
  }

  /** An argument with its value known; a text stays as it is written, which some filters ask for. */
  #argument(argument: TemplateNode, scope: object): [TemplateNode, TemplateValue] {
    const field = ARGUMENT_VALUES.get(argument.type);
    if (field === undefined) {
      const known = this.#known(argument, scope);
      return [argument.type === "StringLiteral" ? argument : known, known.value];
    }
    const known = this.#known(fieldsOf(argument)[field], scope);
    return [changed(argument, { [field]: known }), known.value];
  }

  #checked(node: TemplateNode, result: TemplateValue): TemplateValue {
    const { value } = result;
    if (typeof value === "string") {
      this.#budget.allow(result);
      this.#budget.spend(value.length / CHARACTERS_PER_STEP);
    } else if (typeof value === "object" && value !== null) {
      this.#budget.allow(result);
      const isNew = node.type === "CallExpression" || node.type === "FilterExpression";
      this.#budget.spend(isNew ? elementsOf(result) : elementsOf(result) / ELEMENTS_PER_STEP);
    } else if (typeof value === "function" && node.type === "MemberExpression") {
      this.#guard(result, value as LibraryFunction, fieldsOf(node).object); // as the library calls it
    } else if (value === undefined && node.type === "Identifier") {
      this.#budget.spend(ERROR_STEPS);
    }
    return result;
  }

  /** Makes a value's method check its arguments, wherever it is called from. */
  #guard(method: TemplateValue, call: LibraryFunction, owner: unknown): void {
    if (this.#guarded.has(method) || !(owner instanceof Evaluated)) return;
    this.#guarded.add(method);
    const guarded: LibraryFunction = (args, scope) => {
      this.#budget.allowProduct(owner.value, args);
      return call(args, scope);
    };
    method.value = guarded;
  }
}

/** The field with the value of an argument that is more than an expression. */
const ARGUMENT_VALUES: ReadonlyMap<string, string> = new Map([
  ["KeywordArgumentExpression", "value"],
  ["SpreadExpression", "argument"],
  ["KeywordSpreadExpression", "argument"],
]);

function isNode(value: unknown): value is TemplateNode {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function listOf(value: unknown): TemplateNode[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** A node's fields, which differ from type to type. */
function fieldsOf(node: TemplateNode): Readonly<Record<string, unknown>> {
  return node as unknown as Record<string, unknown>; // an object of the library's, with fields only
}

function changed(node: TemplateNode, fields: Readonly<Record<string, unknown>>): TemplateNode {
  return { ...node, ...fields };
}

/** How many nodes there are in this one. */
function nodesIn(node: TemplateNode): number {
  let count = 0;
  const waiting: unknown[] = [node];
  while (waiting.length > 0) {
    const value = waiting.pop();
    if (isNode(value)) count++;
    if (Array.isArray(value)) for (const item of value) waiting.push(item);
    else if (value instanceof Map) for (const pair of value) waiting.push(...pair);
    else if (isNode(value)) for (const item of Object.values(value)) waiting.push(item);
  }
  return count;
}
