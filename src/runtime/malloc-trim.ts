// Gives memory that was freed, but that the C library's allocator keeps, back to the operating system (malloc_trim).

import koffi from "koffi";

/** For the end of a peak, such as loading a student. Only glibc keeps enough to matter. */
export function returnFreedMemory(): void {
  if (process.platform !== "linux") return;
  try {
    koffi.load("libc.so.6").func("int malloc_trim(size_t)")(0);
  } catch {
    // Another C library: musl has no malloc_trim, and keeps little.
  }
}
