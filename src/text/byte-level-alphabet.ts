// GPT-2's byte alphabet (bytes_to_unicode): the 256 printable characters in which byte-level vocabularies write bytes.

const utf8 = new TextEncoder();

/** byteOfCharacter.get("Ġ") === 0x20: printable Latin-1 maps to itself, the other bytes to U+0100 upwards, in order. */
export const byteOfCharacter: ReadonlyMap<string, number> = alphabet();

function alphabet(): Map<string, number> {
  const characters = new Map<string, number>();
  let substitute = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    characters.set(String.fromCharCode(printable ? byte : substitute++), byte);
  }
  return characters;
}

const characterOfByte: readonly string[] = [...byteOfCharacter]
  .sort(([, a], [, b]) => a - b)
  .map(([character]) => character);

/** The text's UTF-8 bytes in the alphabet. */
export function byteLevelText(text: string): string {
  let plain = 0;
  while (plain < text.length && isPlain(text.charCodeAt(plain))) plain++;
  if (plain === text.length) return text;
  let written = text.slice(0, plain);
  for (const byte of utf8.encode(text.slice(plain))) written += characterOfByte[byte]!;
  return written;
}

/** Printable ASCII, which maps to itself. */
function isPlain(unit: number): boolean {
  return unit > 0x20 && unit < 0x7f;
}

/** The bytes of a byte-level token; null when a character is outside the alphabet. */
export function bytesOfByteLevelText(text: string): Uint8Array | null {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = byteOfCharacter.get(text[i]!);
    if (byte === undefined) return null;
    bytes[i] = byte;
  }
  return bytes;
}
