// GPT-2's byte alphabet: the 256 printable characters in which byte-level vocabularies write bytes. It knows no tokens.

/** byteOfCharacter.get("Ġ") === 0x20: printable Latin-1 stands for itself, the rest from U+0100 upwards, in order. */
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

/** The bytes that a byte-level token stands for; null when a character is outside the alphabet. */
export function bytesOfByteLevelText(text: string): Uint8Array | null {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = byteOfCharacter.get(text[i]!);
    if (byte === undefined) return null;
    bytes[i] = byte;
  }
  return bytes;
}
