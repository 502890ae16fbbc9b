// Request bodies gone wrong at random, from a generator of one's own seed: random JSON, bodies with something dropped,
// doubled, renamed or replaced by something extreme, and text that is nearly JSON.
import { sampleRandom, type Xoshiro128 } from "../../../src/engine/random.ts";

/** Values that programs stumble over. As JSON text, so that what JSON.stringify cannot write is among them. */
const AWKWARD: readonly string[] = [
  ...["null", "true", "false", "0", "-0", "-1", "1", "0.5", "3.0000000000000004", "1e-320", "1e308", "1e999"],
  ...[
    "-1e999",
    "9007199254740993",
    "18446744073709551616",
    "1e21",
    "2147483648",
    "4294967296",
    "-2147483649",
  ],
  ...['""', '" "', '"\\u0000"', '"\\ud800"', '"\\udc00x"', '"\\ufeff"', '"\\u202e\\u200d"', '"🙂\\u0301"'],
  ...['"NaN"', '"null"', '"0"', '"__proto__"', '"<|im_start|>system\\n"', '"{{x*}}"', '"{{[abc]}}"', '"[[["'],
  ...[
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "[null]",
    "[0]",
    '[""]',
    '{"":""}',
    '{"a":{"b":{"c":[]}}}',
    '{"length":-1}',
  ],
  ...['{"toString":1,"then":1}', '{"__proto__":{"x":1}}', '{"constructor":{"prototype":{"x":1}}}'],
];

/** Values of the right type, at the ends of what may be asked for. */
const LIKELY_NUMBERS = ["0", "1", "2", "4", "20", "1e9", "0.0001", "1e-300", "-100", "9007199254740991"];
const LIKELY_TEXTS = [
  '"{{x*}}"',
  '"{{🙂[ab]*}}"',
  '"{{}}"',
  '"free talk"',
  '"a"',
  '"\\n"',
  '"tiny"',
  '"The answer is 4."',
];

const KEYS = [
  "model",
  "n",
  "stream",
  "messages",
  "prompt",
  "question",
  "stop",
  "seed",
  "",
  "__proto__",
  "ключ",
  "a.b",
];

export class BodyMutations {
  readonly #random: Xoshiro128;

  constructor(seed: number) {
    this.#random = sampleRandom(seed, 0);
  }

  below(limit: number): number {
    return Math.floor(this.#random.nextFloat() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** JSON text of any kind, some of it deep, long or both. */
  json(depth = 0): string {
    const kind = this.below(depth > 3 ? 6 : 10);
    if (kind < 6) return this.pick(AWKWARD);
    if (kind === 6) return JSON.stringify("x🙂\n".repeat(this.below(2000)));
    if (kind === 7) {
      const deep = this.pick([3, 63, 65, 500]);
      return this.pick([
        `${"[".repeat(deep)}${"]".repeat(deep)}`,
        `${'{"a":'.repeat(deep)}0${"}".repeat(deep)}`,
      ]);
    }
    const length = this.pick([0, 1, 2, 5, 5, 300]);
    const items = Array.from({ length }, () => (length > 10 ? this.pick(AWKWARD) : this.json(depth + 1)));
    if (kind === 8) return `[${items.join()}]`;
    return `{${items.map((item) => `${JSON.stringify(this.pick(KEYS))}:${item}`).join()}}`;
  }

  /** The body with one to three things about it changed, as JSON text. */
  mutated(body: object): string {
    let text = JSON.stringify(body);
    for (let changes = 1 + this.below(3); changes > 0; changes--) {
      const parsed = this.#parsed(text);
      if (typeof parsed !== "object" || parsed === null) return text;
      text = this.#changed(parsed);
    }
    return text;
  }

  /** Text that once was the body's JSON. */
  broken(body: object): string {
    const text = JSON.stringify(body);
    const at = this.below(text.length);
    const rest = text.slice(at);
    switch (this.below(6)) {
      case 0:
        return text.slice(0, at);
      case 1:
        return text.slice(0, at) + rest.slice(1);
      case 2:
        return (
          text.slice(0, at) + this.pick(["\u0000", '"', "\\", "{", "]", ",", "NaN", "\ufeff", "//"]) + rest
        );
      case 3:
        return text + this.pick([" ", "\n", "x", "}", text, "\u0000"]);
      case 4:
        return text.replaceAll('"', "'");
      default:
        return rest;
    }
  }

  /** One place, found by walking down at random, changed. */
  #changed(root: object): string {
    let place = root as Record<string, unknown>; // lists too: their keys are indices
    for (;;) {
      const keys = Object.keys(place);
      const key = keys.length === 0 ? "0" : this.pick(keys);
      const value = place[key];
      if (typeof value === "object" && value !== null && this.below(3) > 0) {
        place = value as Record<string, unknown>; // an object that is not null
        continue;
      }
      const marker = `\u0001${this.below(1e9)}`;
      switch (this.below(6)) {
        case 0:
          if (Array.isArray(place)) place.splice(Number(key), 1);
          else delete place[key];
          break;
        case 1:
          if (Array.isArray(place)) {
            const copies = this.pick([2, 3, 40, 2000]);
            if (place.length > 0) for (let i = 1; i < copies; i++) place.push(value);
          } else place[this.pick(KEYS) || key.toUpperCase()] = value;
          break;
        default:
          place[key] = marker;
          return JSON.stringify(root).replace(JSON.stringify(marker), () => this.#instead(value));
      }
      return JSON.stringify(root);
    }
  }

  /** Another value for this one: often one that may be asked for as well. */
  #instead(value: unknown): string {
    if (this.below(3) === 0) return this.json();
    if (typeof value === "number") return this.pick(LIKELY_NUMBERS);
    if (typeof value === "string") return this.pick(LIKELY_TEXTS);
    return typeof value === "boolean" ? String(!value) : this.json();
  }

  #parsed(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  }
}
