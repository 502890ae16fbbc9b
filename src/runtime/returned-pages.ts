// Gives pages of a large array back to the operating system while the array stays (madvise): they are zeros again, and
// take no memory until they are written to.

import koffi from "koffi";

const MADV_DONTNEED = 4;
const MADV_NOHUGEPAGE = 15;

interface PageCalls {
  readonly pageBytes: number;
  readonly advise: (address: bigint, bytes: number, advice: number) => number;
}

let calls: PageCalls | null | undefined;

/** Null where pages cannot be returned: Linux with the GNU C library alone does it at once, and surely. */
function pageCalls(): PageCalls | null {
  if (calls !== undefined) return calls;
  calls = null;
  if (process.platform === "linux") {
    try {
      const libc = koffi.load("libc.so.6");
      const advise: (...args: unknown[]) => unknown = libc.func("int madvise(uintptr_t, size_t, int)");
      const pageBytes = Number(libc.func("int getpagesize()")());
      calls = {
        pageBytes,
        advise: (address, bytes, advice) => Number(advise(address, bytes, advice)),
      };
    } catch {
      // Another C library.
    }
  }
  return calls;
}

/** The size of a page, or null where pages cannot be returned. */
export const returnablePageBytes = (): number | null => pageCalls()?.pageBytes ?? null;

/** An array whose pages can be returned, one by one: no huge page makes a few words take megabytes. */
export class ReturnedPages {
  readonly #calls: PageCalls | null;
  readonly #address: bigint;

  constructor(array: Float32Array<ArrayBuffer>) {
    this.#calls = pageCalls();
    this.#address = this.#calls === null ? 0n : koffi.address(array);
    this.#advise(0, array.byteLength, MADV_NOHUGEPAGE);
  }

  /** Returns the whole pages between two places in bytes, of which what lay in them is lost. */
  return(fromByte: number, toByte: number): void {
    this.#advise(fromByte, toByte, MADV_DONTNEED);
  }

  #advise(fromByte: number, toByte: number, advice: number): void {
    if (this.#calls === null) return;
    const page = BigInt(this.#calls.pageBytes);
    const first = ((this.#address + BigInt(fromByte) + page - 1n) / page) * page;
    const end = ((this.#address + BigInt(toByte)) / page) * page;
    if (end > first) this.#calls.advise(first, Number(end - first), advice);
  }
}
