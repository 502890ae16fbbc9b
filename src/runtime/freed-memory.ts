// Memory that was freed but is kept by the C library for later: given back to the operating system. It knows not whose it
// was.

import koffi from "koffi";

/** After work that needed much more than what follows, such as loading a student. Only glibc keeps enough to matter. */
export function returnFreedMemory(): void {
  if (process.platform !== "linux") return;
  try {
    koffi.load("libc.so.6").func("int malloc_trim(size_t)")(0);
  } catch {
    // Another C library, which has no such function and no such habit.
  }
}
