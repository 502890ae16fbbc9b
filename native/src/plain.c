// Plain C: the reference for every instruction set, and what serves where no other can.
#include "compute.h"
#include "lanes-plain.h"

#define ROWS 1
#define INLINE static
#define WIDTH 1
#define NAME plain

static inline void dot4(int rows, const uint8_t *weights, const int8_t *codes, ints *sums) {
  for (int r = 0; r < rows; r++)
    for (int g = 0; g < 4; g++)
      for (int i = 0; i < 64; i++) {
        const int8_t *x = codes + r * BLOCK + g * 4 + i % 4;
        sums[r].v[i / 4] += (weights[g * 64 + i] & 15) * x[0] + (weights[g * 64 + i] >> 4) * x[16];
      }
}

static inline void dot8(int rows, const uint8_t *weights, const int8_t *codes, ints *sums) {
  for (int r = 0; r < rows; r++)
    for (int g = 0; g < 8; g++)
      for (int i = 0; i < 64; i++) sums[r].v[i / 4] += weights[g * 64 + i] * codes[r * BLOCK + g * 4 + i % 4];
}

#include "compute-lanes.h"
