// What the tests of the products, of attention and of candidates share: seeded random numbers, exact buffers and complaints.
#ifndef MAGDI_CHECK_H
#define MAGDI_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/compute.h"
#include "../src/instruction-set.h"

static uint64_t seed = 88172645463325252u;

static inline uint64_t random_bits(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  return seed ^= seed << 17;
}
static inline size_t random_below(size_t limit) { return (size_t)(random_bits() >> 11) % limit; }
static inline float random_between(float low, float high) {
  return low + (high - low) * (float)(random_bits() >> 40) * 0x1p-24f;
}

// Of exactly the size asked for, so that AddressSanitizer sees a byte too many.
static inline void *exactly(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) abort();
  memset(memory, 0x55, bytes);
  return memory;
}
static inline void *copy_of(const void *from, size_t bytes) { return memcpy(exactly(bytes), from, bytes); }

// Prints what was expected and ends the program.
#define EXPECT(condition, ...)                              \
  do {                                                      \
    if (!(condition)) {                                     \
      fprintf(stderr, "%s:%d: expected %s: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                         \
      fprintf(stderr, "\n");                                \
      exit(1);                                              \
    }                                                       \
  } while (0)

// Equal bits, or both NaN: whose bits differ from processor to processor.
static inline bool same(const float *a, const float *b, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (bits_of(a[i]) != bits_of(b[i]) && !(a[i] != a[i] && b[i] != b[i])) return false;
  return true;
}

// The instruction set under test.
extern const struct compute *tested;

void check_arithmetic(void);
void check_weight_memory(void);
void check_linear(void);
void check_attention(void);
void check_candidates(void);

#endif
