// NEON with dot products, of which both sides are signed: 8-bit codes are taken less 128, and 128 · Σ activations added.
#if defined(__aarch64__)
#include <arm_neon.h>

#include "compute.h"
#include "scratch.h"
#include "target.h"

#ifdef __clang__
BEGIN_TARGET("dotprod")
#else
BEGIN_TARGET("arch=armv8.2-a+dotprod")
#endif
#include "lanes-neon.h"

#define ROWS 4
#define WIDTH 1
#define NAME neon

// Adds to sums[i] the products of weights 16i…16i + 15 and the four activations in lane `lane` of `x`.
#define DOTS(sums, weights, x, lane) \
  for (int i = 0; i < 4; i++) (sums).v[i] = vdotq_laneq_s32((sums).v[i], (weights)[i], x, lane)

static inline __attribute__((always_inline)) void dot4(int rows, const uint8_t *weights, const int8_t *codes,
                                                       ints *sums) {
  int8x16_t x[ROWS], y[ROWS];
  for (int r = 0; r < rows; r++) x[r] = vld1q_s8(codes + r * BLOCK), y[r] = vld1q_s8(codes + r * BLOCK + 16);
#define GROUP(g)                                                           \
  do {                                                                     \
    int8x16_t low[4], high[4];                                             \
    for (int i = 0; i < 4; i++) {                                          \
      uint8x16_t w = vld1q_u8(weights + (g)*64 + i * 16);                  \
      low[i] = vreinterpretq_s8_u8(vandq_u8(w, vdupq_n_u8(15)));           \
      high[i] = vreinterpretq_s8_u8(vshrq_n_u8(w, 4));                     \
    }                                                                      \
    for (int r = 0; r < rows; r++) {                                       \
      DOTS(sums[r], low, x[r], g);                                         \
      DOTS(sums[r], high, y[r], g);                                        \
    }                                                                      \
  } while (0)
  GROUP(0);
  GROUP(1);
  GROUP(2);
  GROUP(3);
#undef GROUP
}

static inline __attribute__((always_inline)) void dot8(int rows, const uint8_t *weights, const int8_t *codes,
                                                       ints *sums) {
  int8x16_t x[ROWS][2];
  for (int r = 0; r < rows; r++) {
    for (int h = 0; h < 2; h++) x[r][h] = vld1q_s8(codes + r * BLOCK + h * 16);
    int32x4_t sum = vdotq_s32(vdotq_s32(vdupq_n_s32(0), x[r][0], vdupq_n_s8(1)), x[r][1], vdupq_n_s8(1));
    ints shift = ints_set(vaddvq_s32(sum) * 128);
    for (int i = 0; i < 4; i++) sums[r].v[i] = vaddq_s32(sums[r].v[i], shift.v[i]);
  }
#define GROUP(g, h)                                                                                    \
  do {                                                                                                 \
    int8x16_t w[4];                                                                                    \
    for (int i = 0; i < 4; i++)                                                                        \
      w[i] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(weights + (h)*256 + (g)*64 + i * 16), vdupq_n_u8(128))); \
    for (int r = 0; r < rows; r++) DOTS(sums[r], w, x[r][h], g);                                       \
  } while (0)
  for (int h = 0; h < 2; h++) {
    GROUP(0, h);
    GROUP(1, h);
    GROUP(2, h);
    GROUP(3, h);
  }
#undef GROUP
}

#include "compute-lanes.h"

END_TARGET
#endif
