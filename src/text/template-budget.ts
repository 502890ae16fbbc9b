// What rendering a chat template may cost: steps, and sizes of values. It knows nothing of the template's syntax.

const STEPS = 100_000;
const STEPS_PER_MESSAGE = 500;
const STEPS_PER_CHARACTER = 1;
/** In UTF-16 units. */
const VALUE_SIZE = 2 ** 21;
const VALUE_SIZE_PER_CHARACTER = 8;
/** What the sizes of two values may come to, multiplied: an upper bound of what an operation makes of them. */
const MAX_PRODUCT = 2 ** 26;
/** How deep lists and objects may nest. */
const MAX_NESTING = 64;

/** Thrown when a template exceeds its budget; the message continues "the template". */
export class TemplateBudgetError extends Error {
  override readonly name = "TemplateBudgetError";
}

/** A value of the template library. */
export interface TemplateValue {
  readonly type: string;
  value: unknown;
}

/** How much there is to write out in a value: characters, and some for each element. */
interface Bulk {
  readonly size: number;
  readonly nesting: number;
}

export class TemplateBudget {
  readonly #steps: number;
  readonly #valueSize: number;
  readonly #bulks = new WeakMap<TemplateValue, Bulk>();
  #left: number;

  /** For input of so many messages, and so many UTF-16 units in them. */
  constructor(messages: number, characters: number) {
    this.#steps = STEPS + STEPS_PER_MESSAGE * messages + STEPS_PER_CHARACTER * characters;
    this.#left = this.#steps;
    this.#valueSize = VALUE_SIZE + VALUE_SIZE_PER_CHARACTER * characters;
  }

  /** @throws TemplateBudgetError when no steps are left */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw new TemplateBudgetError(`takes more than ${this.#steps} steps`);
  }

  /** @throws TemplateBudgetError when the value is larger than any prompt needs */
  allow(value: TemplateValue): void {
    this.#bulk(value);
  }

  /** @throws TemplateBudgetError when an operation on these values may make one that is far too large */
  allowProduct(operand: TemplateValue, others: Iterable<TemplateValue>): void {
    const { size, nesting } = this.#bulk(operand);
    let factor = 1;
    // A number may be a width.
    for (const other of others) {
      factor += typeof other.value === "number" ? Math.abs(other.value) : this.#bulk(other).size;
    }
    if (size * Math.max(1, nesting) * factor <= MAX_PRODUCT) return;
    throw new TemplateBudgetError("makes a value that may be too large out of two others");
  }

  #bulk(value: TemplateValue): Bulk {
    const content = value.value;
    if (typeof content === "string") return this.#allowed({ size: content.length, nesting: 0 });
    if (typeof content === "number") return { size: Math.abs(content) < 1e6 ? 8 : 320, nesting: 0 };
    if (!isContainer(content)) return { size: 16, nesting: 0 };
    const known = this.#bulks.get(value);
    if (known !== undefined) return known;
    const bulk = this.#allowed(this.#containerBulk(content));
    // Namespaces are the only values that change.
    if (value.type !== "NamespaceValue") this.#bulks.set(value, bulk);
    return bulk;
  }

  /** As it is written out: what is in it twice counts twice. */
  #containerBulk(content: Container): Bulk {
    let size = 8;
    let nesting = 0;
    for (const [key, item] of content.entries()) {
      if (item.type === "NamespaceValue") throw new TemplateBudgetError("keeps a namespace in another value");
      const inner = this.#bulk(item);
      size += inner.size + (typeof key === "string" ? key.length : 0) + 8;
      nesting = Math.max(nesting, inner.nesting);
    }
    if (nesting >= MAX_NESTING) throw new TemplateBudgetError(`nests values deeper than ${MAX_NESTING}`);
    return { size, nesting: nesting + 1 };
  }

  #allowed(bulk: Bulk): Bulk {
    if (bulk.size <= this.#valueSize) return bulk;
    throw new TemplateBudgetError(`makes a value of more than ${this.#valueSize} characters`);
  }
}

type Container = ReadonlyMap<string, TemplateValue> | readonly TemplateValue[];

/** The library's lists, and its objects and namespaces. */
function isContainer(content: unknown): content is Container {
  return Array.isArray(content) || content instanceof Map;
}

/** Elements of a list or object; 0 for other values. */
export function elementsOf({ value }: TemplateValue): number {
  if (Array.isArray(value)) return value.length;
  return value instanceof Map ? value.size : 0;
}
