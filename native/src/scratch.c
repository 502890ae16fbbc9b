// The pieces of scratch memory that nobody uses now, in slots that threads exchange without locks.
#include "scratch.h"

#include <stdatomic.h>
#include <stdlib.h>
#ifdef _WIN32
#include <malloc.h>
#endif

enum { SLOTS = 256, ALIGNMENT = 64 };

static _Atomic(struct scratch *) slots[SLOTS];

void *allocate_aligned(size_t bytes) {
  size_t rounded = (bytes + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
#ifdef _WIN32
  return _aligned_malloc(rounded, ALIGNMENT);
#else
  return aligned_alloc(ALIGNMENT, rounded);
#endif
}

void free_aligned(void *memory) {
#ifdef _WIN32
  _aligned_free(memory);
#else
  free(memory);
#endif
}

struct scratch *take_scratch(size_t bytes) {
  struct scratch *scratch = NULL;
  for (int i = 0; i < SLOTS && !scratch; i++)
    if (atomic_load_explicit(&slots[i], memory_order_relaxed)) scratch = atomic_exchange(&slots[i], NULL);
  if (!scratch) scratch = calloc(1, sizeof *scratch);
  if (scratch && scratch->bytes < bytes) {
    free_aligned(scratch->memory);
    scratch->memory = allocate_aligned(bytes);
    scratch->bytes = scratch->memory ? bytes : 0;
    if (!scratch->memory) {
      free(scratch);
      return NULL;
    }
  }
  return scratch;
}

void return_scratch(struct scratch *scratch) {
  for (int i = 0; i < SLOTS; i++) {
    struct scratch *none = NULL;
    if (atomic_compare_exchange_strong(&slots[i], &none, scratch)) return;
  }
  free_aligned(scratch->memory);
  free(scratch);
}
