// AVX-512 with VNNI: products of four codes and activations summed into each lane by one instruction.
#if defined(__x86_64__)
#include <immintrin.h>

#include "compute.h"
#include "scratch.h"
#include "target.h"

BEGIN_TARGET("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#include "lanes-avx512.h"

#define ROWS 10
#define WIDTH 2
#define NAME avx512vnni

// Adds the products with four activations, which the instruction reads itself: compilers read all activations of a block
// first, which needs more registers than there are.
static inline __attribute__((always_inline)) __m512i dot(__m512i sum, __m512i weights, const int8_t *codes) {
  __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(weights), "m"(*(const int8_t(*)[4])codes));
  return sum;
}

static inline __attribute__((always_inline)) void dot4(int rows, const uint8_t *weights, const int8_t *codes,
                                                       ints *sums) {
  const __m512i low = _mm512_set1_epi8(15);
#pragma GCC unroll 4
  for (int g = 0; g < 4; g++) {
    __m512i w = _mm512_loadu_si512(weights + g * 64);
    __m512i x = _mm512_and_si512(w, low), y = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);
    for (int r = 0; r < rows; r++) sums[r] = dot(sums[r], x, codes + r * BLOCK + g * 4);
    for (int r = 0; r < rows; r++) sums[r] = dot(sums[r], y, codes + r * BLOCK + g * 4 + 16);
  }
}

static inline __attribute__((always_inline)) void dot8(int rows, const uint8_t *weights, const int8_t *codes,
                                                       ints *sums) {
#pragma GCC unroll 8
  for (int g = 0; g < 8; g++) {
    __m512i w = _mm512_loadu_si512(weights + g * 64);
    for (int r = 0; r < rows; r++) sums[r] = dot(sums[r], w, codes + r * BLOCK + g * 4);
  }
}

#include "compute-lanes.h"

END_TARGET
#endif
