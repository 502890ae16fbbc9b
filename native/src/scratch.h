// Memory for a unit of work, kept for the next one: there are never more pieces than units that ran at the same time, and a
// piece only grows.
#ifndef MAGDI_SCRATCH_H
#define MAGDI_SCRATCH_H

#include <stddef.h>

struct scratch {
  void *memory;  // aligned to 64 bytes
  size_t bytes;
};

// Null when there is no memory.
struct scratch *take_scratch(size_t bytes);
void return_scratch(struct scratch *scratch);

// Aligned to 64 bytes; null when there is no memory. To be freed by free_aligned.
void *allocate_aligned(size_t bytes);
void free_aligned(void *memory);

#endif
