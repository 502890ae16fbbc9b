// Python's regular expressions, as re.match and re.fullmatch take them, over names of modules: ASCII text without line breaks.
// What JavaScript writes otherwise is rewritten; what it lacks is refused by name.

/** What an expression has that is not read, or why Python itself would refuse it. */
export class PatternError extends Error {
  override readonly name = "PatternError";
  /** Whether Python would read it. */
  readonly isPython: boolean;

  constructor(message: string, { isPython = false } = {}) {
    super(message);
    this.isPython = isPython;
  }
}

interface Flags {
  readonly ignoreCase: boolean;
  readonly verbose: boolean;
}

/** Those of published adapters have up to a few hundred. */
const MOST_CHARACTERS = 5000;
const LETTERS = [
  ["a", "z"],
  ["A", "Z"],
] as const;
const REPETITION = /^(?:[*+?]|\{(?:\d+,?\d*|,\d*)\})/;
const CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** The expression for JavaScript, sticky at the text's start.
 * @throws PatternError
 * @example pythonPattern("(?i).*\\.(?P<kind>Q|V)_proj\\Z", { whole: true }).test("layers.0.q_proj") // true */
export function pythonPattern(source: string, { whole }: { readonly whole: boolean }): RegExp {
  if (source.length > MOST_CHARACTERS) {
    throw new PatternError(`expected up to ${MOST_CHARACTERS} characters, found ${source.length}`, {
      isPython: true,
    });
  }
  const translated = new Translation(source).whole();
  try {
    return new RegExp(whole ? `^(?:${translated})$` : `^(?:${translated})`, "u");
  } catch (cause) {
    throw new PatternError(cause instanceof Error ? cause.message : String(cause));
  }
}

class Translation {
  readonly #source: string;
  #at = 0;
  #atomics = 0;
  readonly #names = new Set<string>();

  constructor(source: string) {
    this.#source = source;
  }

  whole(): string {
    const global = /^\(\?([aiLmsux]+)\)/.exec(this.#source);
    this.#at = global?.[0].length ?? 0;
    const result = this.#alternatives(changed({ ignoreCase: false, verbose: false }, global?.[1] ?? "", ""));
    if (this.#at < this.#source.length) throw new PatternError("unbalanced parenthesis");
    return result;
  }

  #alternatives(flags: Flags): string {
    let result = this.#sequence(flags);
    while (this.#takes("|")) result += `|${this.#sequence(flags)}`;
    return result;
  }

  #sequence(flags: Flags): string {
    let result = "";
    while (this.#at < this.#source.length && !/[|)]/.test(this.#next())) {
      const comment = flags.verbose && this.#takesPattern(/(?:\s|#[^\n]*)+/y);
      if (comment || this.#takesPattern(/\(\?#[^)]*\)/y)) continue;
      result += this.#repeated(this.#atom(flags), flags);
    }
    return result;
  }

  #repeated(atom: string, flags: Flags): string {
    if (flags.verbose) this.#takesPattern(/(?:\s|#[^\n]*)+/y);
    const found = this.#takesPattern(/[*+?]|\{(\d*)(,?)(\d*)\}/y);
    if (found === null) return atom;
    const [text, least = "", comma, most = ""] = found;
    // {} is no repetition.
    if (text === "{}") return `${atom}\\u{7b}\\u{7d}`;
    const times = !text.startsWith("{") ? text : comma === "" ? text : `{${least || 0},${most}}`;
    if (this.#takes("?")) return `${atom}${times}?`;
    const result = this.#takes("+") ? this.#atomic(`${atom}${times}`) : `${atom}${times}`;
    if (REPETITION.test(this.#source.slice(this.#at))) throw new PatternError("multiple repeat");
    return result;
  }

  /** A lookahead is never entered again, and its group holds what it took. */
  #atomic(inner: string): string {
    const name = `atomic${this.#atomics++}`;
    return `(?:(?=(?<${name}>${inner}))\\k<${name}>)`;
  }

  #atom(flags: Flags): string {
    const char = this.#take();
    if (char === "(") return this.#group(flags);
    if (char === "[") return this.#class(flags);
    if (char === "\\") return this.#escape(flags);
    if (char === "." || char === "^" || char === "$") return char;
    if (/[*+?]/.test(char) || (char === "{" && REPETITION.test(this.#source.slice(this.#at - 1)))) {
      throw new PatternError("nothing to repeat");
    }
    return literal(char, flags);
  }

  #group(flags: Flags): string {
    const rest = (opening: string, inside: Flags = flags): string => {
      const inner = this.#alternatives(inside);
      if (!this.#takes(")")) throw new PatternError("missing ), unterminated subpattern");
      return `${opening}${inner})`;
    };
    if (!this.#takes("?")) return rest("(?:");
    const look = this.#takesPattern(/<?[=!]/y);
    if (look !== null) return rest(`(?${look[0]}`);
    if (this.#takes(":")) return rest("(?:");
    if (this.#takes(">")) return this.#atomic(rest("(?:"));
    const named = this.#takesPattern(/P<([A-Za-z_]\w*)>/y);
    if (named !== null) {
      const [, name = ""] = named;
      if (this.#names.has(name)) throw new PatternError(`redefinition of group name ${name}`);
      this.#names.add(name);
      return rest(`(?<${name}>`);
    }
    const scoped = this.#takesPattern(/([aiLmsux]*)(?:-([imsx]+))?:/y);
    if (scoped !== null) return rest("(?:", changed(flags, scoped[1] ?? "", scoped[2] ?? ""));
    if (this.#takesPattern(/P=/y)) throw new PatternError("references to groups", { isPython: true });
    if (this.#takes("(")) throw new PatternError("conditions on groups", { isPython: true });
    if (this.#takesPattern(/[aiLmsux]+\)/y)) {
      throw new PatternError("global flags not at the start of the expression");
    }
    throw new PatternError(`unknown extension ?${this.#next()}`);
  }

  #escape(flags: Flags): string {
    const known = this.#takesPattern(/[AZbBdDsSwW]/y)?.[0];
    if (known === "A") return "^";
    if (known === "Z") return "$";
    if (known !== undefined) return `\\${known}`;
    if (/[1-9]/.test(this.#next()) && !this.#isOctal()) {
      throw new PatternError("references to groups", { isPython: true });
    }
    return literal(this.#escapedCharacter(), flags);
  }

  #isOctal(): boolean {
    return /^[0-3][0-7]{2}/.test(this.#source.slice(this.#at, this.#at + 3));
  }

  /** The character behind a backslash, in a class or outside. */
  #escapedCharacter(): string {
    const octal = this.#takesPattern(/0[0-7]{0,2}|[1-3][0-7]{2}/y);
    if (octal !== null) return String.fromCodePoint(Number.parseInt(octal[0], 8));
    const char = this.#take();
    const control = CONTROLS[char];
    if (control !== undefined) return String.fromCodePoint(control);
    const digits = HEX_DIGITS[char];
    if (digits !== undefined) {
      const code = this.#takesPattern(new RegExp(`[0-9a-fA-F]{${digits}}`, "y"))?.[0];
      if (code === undefined) throw new PatternError(`incomplete escape \\${char}`);
      const value = Number.parseInt(code, 16);
      if (value > 0x10ffff) throw new PatternError(`bad escape \\${char}${code}`);
      return String.fromCodePoint(value);
    }
    if (char === "N") throw new PatternError("characters by their Unicode names", { isPython: true });
    if (/[A-Za-z0-9]/.test(char)) throw new PatternError(`bad escape \\${char}`);
    return char;
  }

  #class({ ignoreCase }: Flags): string {
    let result = this.#takes("^") ? "[^" : "[";
    for (let isFirst = true; isFirst || this.#next() !== "]"; isFirst = false) {
      const [item, isSet] = this.#classItem();
      const isRange = this.#takesPattern(/-(?!\])/y) !== null;
      const [end, endIsSet] = isRange ? this.#classItem() : [item, isSet];
      if (isRange && (isSet || endIsSet || item > end)) {
        throw new PatternError(`bad character range ${item}-${end}`);
      }
      result += isSet ? `\\${item}` : range(item, end, ignoreCase);
    }
    this.#take();
    return `${result}]`;
  }

  /** A character, or the letter of a set such as \d. */
  #classItem(): [item: string, isSet: boolean] {
    const char = this.#take();
    if (char !== "\\") return [char, false];
    const set = this.#takesPattern(/[dDsSwW]/y)?.[0];
    if (set !== undefined) return [set, true];
    return [this.#takes("b") ? "\b" : this.#escapedCharacter(), false];
  }

  #next(): string {
    return this.#source.charAt(this.#at);
  }

  #take(): string {
    const code = this.#source.codePointAt(this.#at);
    if (code === undefined) throw new PatternError("unexpected end of the expression");
    const char = String.fromCodePoint(code);
    this.#at += char.length;
    return char;
  }

  #takes(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** Of a sticky expression. */
  #takesPattern(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    this.#at += found?.[0].length ?? 0;
    return found;
  }
}

function changed(flags: Flags, on: string, off: string): Flags {
  if (on.includes("L")) throw new PatternError("cannot use LOCALE flag with a str pattern");
  return {
    ignoreCase: (flags.ignoreCase || on.includes("i")) && !off.includes("i"),
    verbose: (flags.verbose || on.includes("x")) && !off.includes("x"),
  };
}

const escaped = (char: string): string =>
  /^\w$/.test(char) ? char : `\\u{${char.codePointAt(0)?.toString(16)}}`;

function literal(char: string, { ignoreCase }: Flags): string {
  return ignoreCase && /^[A-Za-z]$/.test(char) ? `[${range(char, char, true)}]` : escaped(char);
}

/** Inside a class: the characters from `first` to `last`, and the letters among them in the other case too. */
function range(first: string, last: string, ignoreCase: boolean): string {
  const shown = first === last ? escaped(first) : `${escaped(first)}-${escaped(last)}`;
  const others = LETTERS.flatMap(([a, z]) => {
    const [from, to] = [first > a ? first : a, last < z ? last : z];
    const swap = (letter: string): string => (a === "a" ? letter.toUpperCase() : letter.toLowerCase());
    return from > to ? [] : [`${swap(from)}-${swap(to)}`];
  });
  return ignoreCase ? shown + others.join("") : shown;
}
