// The bytes of a shared library that is linked to others and does nothing else.

const HEADER = 64;
const SECTION = 64;

/** An ELF file of 64 bits with a dynamic section that needs `libraries`, and the texts of their names. */
export function sharedObject(libraries: readonly string[]): Buffer {
  const texts = Buffer.from(`\0${libraries.join("\0")}\0`, "latin1");
  const entries = Buffer.alloc(16 * (libraries.length + 1));
  let start = 1;
  for (const [at, name] of libraries.entries()) {
    entries.writeBigInt64LE(1n, 16 * at);
    entries.writeBigUInt64LE(BigInt(start), 16 * at + 8);
    start += name.length + 1;
  }
  const sections = Buffer.alloc(2 * SECTION);
  const section = (index: number, type: number, place: number, bytes: number, link: number) => {
    const at = index * SECTION;
    sections.writeUInt32LE(type, at + 4);
    sections.writeBigUInt64LE(BigInt(place), at + 24);
    sections.writeBigUInt64LE(BigInt(bytes), at + 32);
    sections.writeUInt32LE(link, at + 40);
  };
  const stringTable = 3;
  const dynamic = 6;
  section(0, stringTable, HEADER + sections.length, texts.length, 0);
  section(1, dynamic, HEADER + sections.length + texts.length, entries.length, 0);
  const header = Buffer.alloc(HEADER);
  header.write("\x7fELF\x02\x01", "latin1");
  header.writeBigUInt64LE(BigInt(HEADER), 40);
  header.writeUInt16LE(SECTION, 58);
  header.writeUInt16LE(2, 60);
  return Buffer.concat([header, sections, texts, entries]);
}
