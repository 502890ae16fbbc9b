// AVX-512 with VNNI: products of four codes and activations summed into each lane by one instruction.
#if defined(__x86_64__)
#include <immintrin.h>

#include "compute.h"
#include "scratch.h"
#include "target.h"

BEGIN_TARGET("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
#include "lanes-avx512.h"

#define ROWS 8
#define WIDTH 2
#define NAME avx512vnni

static inline __attribute__((always_inline)) __m512i four_codes(const int8_t *p) {
  int32_t codes;
  memcpy(&codes, p, 4);
  return _mm512_set1_epi32(codes);
}

static inline __attribute__((always_inline)) void dot4(int rows, const uint8_t *weights, const int8_t *codes,
                                                       size_t stride, ints *sums) {
  const __m512i low = _mm512_set1_epi8(15);
  for (int g = 0; g < 4; g++) {
    __m512i w = _mm512_loadu_si512(weights + g * 64);
    __m512i x = _mm512_and_si512(w, low), y = _mm512_and_si512(_mm512_srli_epi16(w, 4), low);
    for (int r = 0; r < rows; r++) {
      const int8_t *p = codes + (size_t)r * stride + g * 4;
      sums[r] = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sums[r], x, four_codes(p)), y, four_codes(p + 16));
    }
  }
}

static inline __attribute__((always_inline)) void dot8(int rows, const uint8_t *weights, const int8_t *codes,
                                                       size_t stride, ints *sums) {
  for (int g = 0; g < 8; g++) {
    __m512i w = _mm512_loadu_si512(weights + g * 64);
    for (int r = 0; r < rows; r++) sums[r] = _mm512_dpbusd_epi32(sums[r], w, four_codes(codes + (size_t)r * stride + g * 4));
  }
}

#include "compute-lanes.h"

END_TARGET
#endif
