// What a Linux shared library is linked to: the NEEDED entries of an ELF file's dynamic section (System V ABI, 64 bits,
// little endian), read without loading it.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const DYNAMIC_SECTION = 6;
const NEEDED = 1n;
const HEADER_BYTES = 64;

/** The names of the libraries that a file asks the dynamic linker for, in order; none where the file is no ELF file. */
export function neededLibraries(file: string): string[] {
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch {
    return [];
  }
  try {
    return readNeeded(descriptor);
  } catch (error) {
    // An offset beyond the file's end: it is damaged.
    if (error instanceof RangeError) return [];
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function readNeeded(descriptor: number): string[] {
  const { size: fileBytes } = fstatSync(descriptor);
  const bytes = (at: number, length: number): Buffer => {
    if (at + length > fileBytes) throw new RangeError("beyond the file's end");
    const read = Buffer.alloc(length);
    readSync(descriptor, read, 0, length, at);
    return read;
  };
  const header = bytes(0, HEADER_BYTES);
  if (header.toString("latin1", 0, 6) !== "\x7fELF\x02\x01") return [];
  const [at, size, count] = [
    Number(header.readBigUInt64LE(40)),
    header.readUInt16LE(58),
    header.readUInt16LE(60),
  ];
  const table = bytes(at, size * count);
  const section = (index: number) => ({
    type: table.readUInt32LE(index * size + 4),
    at: Number(table.readBigUInt64LE(index * size + 24)),
    bytes: Number(table.readBigUInt64LE(index * size + 32)),
    names: table.readUInt32LE(index * size + 40),
  });
  for (let index = 0; index < count; index++) {
    const dynamic = section(index);
    if (dynamic.type !== DYNAMIC_SECTION) continue;
    const texts = section(dynamic.names);
    const names = bytes(texts.at, texts.bytes);
    const entries = bytes(dynamic.at, dynamic.bytes);
    const needed: string[] = [];
    for (let entry = 0; entry + 16 <= entries.length; entry += 16) {
      if (entries.readBigInt64LE(entry) !== NEEDED) continue;
      const start = Number(entries.readBigUInt64LE(entry + 8));
      needed.push(names.toString("latin1", start, names.indexOf(0, start)));
    }
    return needed;
  }
  return [];
}
