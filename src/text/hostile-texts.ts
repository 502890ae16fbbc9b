// Texts that make a regular expression backtrack as much as it can, built out of its own parts: runs of what each part
// matches, after what leads to it and before what makes it fail. It runs nothing.

import { type AST, RegExpParser } from "@eslint-community/regexpp";

/** Of classes that tokenizers distinguish. */
const COMMON = [..." \t\n\r\u00a0aZéǅʰªя1²٣.,-_'\"/{中のが한़́😀\u200d\u0001"];
/** Characters that the pattern names itself. */
const MAX_OWN_CHARACTERS = 400;
/** Kinds of characters that the pattern tells apart. */
const MAX_KINDS = 24;
const MAX_QUANTIFIERS = 64;
const MAX_PUMPS = 6;
const MAX_TAILS = 5;
/** Of counted parts, in a sample. */
const MAX_REPEATS = 1000;
const MAX_SAMPLE = 2000;

/** A text of any length: `head`, then `pump` again and again, then `tail`. */
export interface HostileText {
  readonly head: string;
  readonly pump: string;
  readonly tail: string;
}

export function hostileTexts(pattern: RegExp, most: number): HostileText[] {
  const ast = new RegExpParser().parsePattern(pattern.source, 0, pattern.source.length, {
    unicode: pattern.unicode,
  });
  const found = new Map<string, HostileText>();
  const add = (head: string, pump: string, tail: string): void => {
    if (pump !== "" && found.size < most) found.set(`${head}\0${pump}\0${tail}`, { head, pump, tail });
  };
  const alphabet = new Alphabet(ast, pattern.flags);
  const { kinds } = alphabet;
  for (const { quantifier, head, rest } of quantifiersIn(ast, alphabet)) {
    const pumps = alphabet.pumps(quantifier.element);
    const fails = kinds.filter((kind) => !pumps.includes(kind)).slice(0, MAX_TAILS);
    for (const pump of pumps) {
      for (const tail of ["", ...fails, rest]) {
        add(head, pump, tail);
        add("", pump, tail);
      }
    }
  }
  for (const run of kinds) for (const tail of ["", ...kinds]) add("", run, tail);
  for (const first of kinds) for (const second of kinds) add("", first + second, "");
  return [...found.values()];
}

interface Found {
  readonly quantifier: AST.Quantifier;
  /** A text that leads to it. */
  readonly head: string;
  /** A text that what follows it matches. */
  readonly rest: string;
}

/** Those that repeat enough to backtrack over. */
function quantifiersIn(ast: AST.Pattern, alphabet: Alphabet): Found[] {
  const found: Found[] = [];
  const walkAll = (alternatives: readonly AST.Alternative[], head: string, rest: string): void => {
    for (const { elements } of alternatives) {
      for (const [at, element] of elements.entries()) {
        const before = head + joined(elements.slice(0, at), alphabet);
        const after = joined(elements.slice(at + 1), alphabet) + rest;
        walk(element, before.slice(-MAX_SAMPLE), after.slice(0, MAX_SAMPLE));
      }
    }
  };
  const walk = (element: AST.Element, head: string, rest: string): void => {
    if (found.length >= MAX_QUANTIFIERS) return;
    if (element.type === "Quantifier") {
      if (element.max > 1) found.push({ quantifier: element, head, rest });
      walk(element.element, head, rest);
    } else if ("alternatives" in element) walkAll(element.alternatives, head, rest);
  };
  walkAll(ast.alternatives, "", "");
  return found;
}

function joined(elements: readonly AST.Element[], alphabet: Alphabet): string {
  return elements.map((element) => alphabet.sample(element)).join("");
}

/** Representatives of the characters that a pattern tells apart. */
class Alphabet {
  readonly kinds: readonly string[];
  readonly #flags: string;
  readonly #matchers = new Map<string, RegExp | null>();

  constructor(ast: AST.Pattern, flags: string) {
    this.#flags = flags.replace(/[gy]/g, "");
    const { characters, sets } = partsOf(ast);
    const kinds = new Map<string, string>();
    for (const character of new Set([...COMMON, ...characters])) {
      const kind = sets.map((set) => (this.#matches(set, character) ? "1" : "0")).join("");
      if (!kinds.has(kind)) kinds.set(kind, character);
    }
    this.kinds = [...kinds.values()].slice(0, MAX_KINDS);
  }

  /** One of the shortest texts that the element matches; look-around matches none. */
  sample(element: AST.Element): string {
    switch (element.type) {
      case "Character":
        return String.fromCodePoint(element.value);
      case "CharacterSet":
      case "CharacterClass":
        return this.kinds.find((kind) => this.#matches(element.raw, kind)) ?? "";
      case "Quantifier":
        return this.sample(element.element).repeat(Math.min(element.min, MAX_REPEATS)).slice(0, MAX_SAMPLE);
      case "Group":
      case "CapturingGroup":
        return joined(element.alternatives[0]?.elements ?? [], this).slice(0, MAX_SAMPLE);
      default:
        return "";
    }
  }

  /** Texts that the element matches, for repeating. */
  pumps(element: AST.QuantifiableElement): string[] {
    const alternatives =
      "alternatives" in element
        ? element.alternatives.map(({ elements }) => joined(elements, this))
        : [this.sample(element)];
    const single = this.kinds.filter((kind) => this.#matches(element.raw, kind));
    return [...new Set([...alternatives.slice(0, MAX_PUMPS), ...single])]
      .filter((pump) => pump !== "")
      .slice(0, 2 * MAX_PUMPS);
  }

  #matches(part: string, character: string): boolean {
    let matcher = this.#matchers.get(part);
    if (matcher === undefined) {
      try {
        matcher = new RegExp(`^(?:${part})$`, this.#flags);
      } catch {
        matcher = null; // a part may refer to a group that is not in it
      }
      this.#matchers.set(part, matcher);
    }
    return matcher?.test(character) ?? false;
  }
}

/** The characters that a pattern names, and its sets of characters as they are written. */
function partsOf(ast: AST.Pattern): { characters: Set<string>; sets: string[] } {
  const characters = new Set<string>();
  const sets = new Set<string>();
  const waiting: AST.Node[] = [ast];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (node.type === "Character" && characters.size < MAX_OWN_CHARACTERS) {
      characters.add(String.fromCodePoint(node.value));
    }
    if (node.type === "Character" || node.type === "CharacterSet" || node.type === "CharacterClass") {
      sets.add(node.raw);
    }
    if ("alternatives" in node) waiting.push(...node.alternatives);
    if ("elements" in node) waiting.push(...node.elements);
    if ("element" in node) waiting.push(node.element);
    if (node.type === "CharacterClassRange") waiting.push(node.min, node.max);
  }
  return { characters, sets: [...sets].slice(0, MAX_OWN_CHARACTERS) };
}
