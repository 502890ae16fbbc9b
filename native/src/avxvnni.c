// AVX-VNNI: the products of AVX-512 VNNI in registers half as wide.
#if defined(__x86_64__)
#include <immintrin.h>

#include "compute.h"
#include "scratch.h"
#include "target.h"

BEGIN_TARGET("avx2,fma,f16c,avxvnni")
#include "lanes-avx2.h"

#define ROWS 4
#define WIDTH 1
#define NAME avxvnni

static inline __attribute__((always_inline)) void dot4(int rows, const uint8_t *weights, const int8_t *codes,
                                                       ints *sums) {
  const __m256i low = _mm256_set1_epi8(15);
  for (int g = 0; g < 4; g++) {
    __m256i a = _mm256_loadu_si256((const __m256i *)(weights + g * 64));
    __m256i b = _mm256_loadu_si256((const __m256i *)(weights + g * 64 + 32));
    for (int h = 0; h < 2; h++) {
      __m256i x = _mm256_and_si256(a, low), y = _mm256_and_si256(b, low);
      for (int r = 0; r < rows; r++) {
        __m256i four = four_codes(codes + r * BLOCK + h * 16 + g * 4);
        sums[r].a = _mm256_dpbusd_avx_epi32(sums[r].a, x, four);
        sums[r].b = _mm256_dpbusd_avx_epi32(sums[r].b, y, four);
      }
      a = _mm256_srli_epi16(a, 4), b = _mm256_srli_epi16(b, 4);
    }
  }
}

static inline __attribute__((always_inline)) void dot8(int rows, const uint8_t *weights, const int8_t *codes,
                                                       ints *sums) {
  for (int g = 0; g < 8; g++) {
    __m256i a = _mm256_loadu_si256((const __m256i *)(weights + g * 64));
    __m256i b = _mm256_loadu_si256((const __m256i *)(weights + g * 64 + 32));
    for (int r = 0; r < rows; r++) {
      __m256i four = four_codes(codes + r * BLOCK + g * 4);
      sums[r].a = _mm256_dpbusd_avx_epi32(sums[r].a, a, four);
      sums[r].b = _mm256_dpbusd_avx_epi32(sums[r].b, b, four);
    }
  }
}

#include "compute-lanes.h"

END_TARGET
#endif
