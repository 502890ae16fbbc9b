// How deep JSON is nested, told from its brackets before it is parsed: parsing a megabyte of "[" takes half a second, and what
// walks over a parsed value recurses.

/** Far deeper than any file or record nests. */
export const MOST_JSON_DEPTH = 128;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether brackets outside of strings are nested deeper than `depth`. One pass; the JSON need not be valid. */
export function isDeeperThan(json: string | Uint8Array, depth: number = MOST_JSON_DEPTH): boolean {
  const codeAt =
    typeof json === "string" ? (at: number) => json.charCodeAt(at) : (at: number) => json[at] ?? 0;
  let open = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const code = codeAt(at);
    if (inString) {
      if (code === BACKSLASH) at++;
      else if (code === QUOTE) inString = false;
      continue;
    }
    if (code === QUOTE) inString = true;
    // [ and {, ] and }
    else if (code === 0x5b || code === 0x7b) {
      open++;
      if (open > depth) return true;
    } else if (code === 0x5d || code === 0x7d) open--;
  }
  return false;
}
