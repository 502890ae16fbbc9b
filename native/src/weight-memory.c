// Regions of huge pages, each cut into pieces from its beginning on, and given back when its last piece is freed.
#include "weight-memory.h"

// With an address sanitizer each piece is an allocation of its own, so that reading past its end is found.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

// Of a region only the pages that were written to take memory.
enum { PIECE_ALIGNMENT = 64, HUGE_PAGE_BYTES = 2 << 20, REGION_BYTES = 64 << 20 };

struct region {
  void *mapping;
  size_t mapping_bytes, bytes, used, pieces;
};

static atomic_flag lock = ATOMIC_FLAG_INIT;
// Where the next piece is taken from.
static struct region *newest;

static struct region *map_region(size_t bytes) {
  size_t rounded = (bytes + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES, mapping_bytes = rounded + HUGE_PAGE_BYTES;
  if (rounded < bytes || mapping_bytes < rounded) return NULL;
  void *mapping = mmap(NULL, mapping_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return NULL;
  uintptr_t start = ((uintptr_t)mapping + HUGE_PAGE_BYTES - 1) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
  // Advice only: where the system has no huge pages these are plain ones.
  (void)madvise((void *)start, rounded, MADV_HUGEPAGE);
  struct region *region = (struct region *)start;
  *region = (struct region){
      .mapping = mapping, .mapping_bytes = mapping_bytes, .bytes = rounded, .used = sizeof *region};
  return region;
}

// A piece begins after PIECE_ALIGNMENT bytes that name its region.
void *allocate_weight_memory(size_t bytes) {
  size_t needed = (bytes + 2 * PIECE_ALIGNMENT) / PIECE_ALIGNMENT * PIECE_ALIGNMENT;
  if (needed < bytes) return NULL;
  while (atomic_flag_test_and_set(&lock))
    ;
  size_t first = PIECE_ALIGNMENT;
  if (!newest || newest->bytes - newest->used < needed) {
    struct region *region = map_region(needed + first > REGION_BYTES ? needed + first : REGION_BYTES);
    if (region) region->used = first;
    newest = region;
  }
  char *piece = NULL;
  if (newest) {
    piece = (char *)newest + newest->used;
    *(struct region **)piece = newest;
    newest->used += needed;
    newest->pieces++;
  }
  atomic_flag_clear(&lock);
  return piece ? piece + PIECE_ALIGNMENT : NULL;
}

void free_weight_memory(void *memory) {
  if (!memory) return;
  struct region *region = *(struct region **)((char *)memory - PIECE_ALIGNMENT);
  while (atomic_flag_test_and_set(&lock))
    ;
  if (--region->pieces == 0) {
    if (newest == region) newest = NULL;
    munmap(region->mapping, region->mapping_bytes);
  }
  atomic_flag_clear(&lock);
}

#else
#include "scratch.h"

void *allocate_weight_memory(size_t bytes) { return allocate_aligned(bytes); }
void free_weight_memory(void *memory) { free_aligned(memory); }
#endif
