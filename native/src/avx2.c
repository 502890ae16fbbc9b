// AVX2: products of 4-bit codes and activations in 16-bit sums, which eight additions cannot overflow (8·2·15·127 < 2^15).
#if defined(__x86_64__)
#include <immintrin.h>

#include "compute.h"
#include "scratch.h"
#include "target.h"

BEGIN_TARGET("avx2,fma,f16c")
#include "lanes-avx2.h"

#define ROWS 4
#define WIDTH 1
#define NAME avx2

static inline __attribute__((always_inline)) void dot4(int rows, const uint8_t *weights, const int8_t *codes,
                                                       ints *sums) {
  const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
  ints words[ROWS];
  for (int r = 0; r < rows; r++) words[r] = (ints){_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (int g = 0; g < 4; g++) {
    __m256i a = _mm256_loadu_si256((const __m256i *)(weights + g * 64));
    __m256i b = _mm256_loadu_si256((const __m256i *)(weights + g * 64 + 32));
    for (int h = 0; h < 2; h++) {
      __m256i x = _mm256_and_si256(a, low), y = _mm256_and_si256(b, low);
      for (int r = 0; r < rows; r++) {
        __m256i four = four_codes(codes + r * BLOCK + h * 16 + g * 4);
        words[r].a = _mm256_add_epi16(words[r].a, _mm256_maddubs_epi16(x, four));
        words[r].b = _mm256_add_epi16(words[r].b, _mm256_maddubs_epi16(y, four));
      }
      a = _mm256_srli_epi16(a, 4), b = _mm256_srli_epi16(b, 4);
    }
  }
  for (int r = 0; r < rows; r++) {
    sums[r].a = _mm256_add_epi32(sums[r].a, _mm256_madd_epi16(words[r].a, ones));
    sums[r].b = _mm256_add_epi32(sums[r].b, _mm256_madd_epi16(words[r].b, ones));
  }
}

// 8-bit codes as two of 4 bits: code = 16·high + low.
static inline __attribute__((always_inline)) void dot8(int rows, const uint8_t *weights, const int8_t *codes,
                                                       ints *sums) {
  const __m256i low = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1), sixteen = _mm256_set1_epi16(16);
  for (int half = 0; half < 2; half++) {
    __m256i lows[ROWS], highs[ROWS];
    for (int r = 0; r < rows; r++) lows[r] = highs[r] = _mm256_setzero_si256();
    for (int g = 0; g < 8; g++) {
      __m256i w = _mm256_loadu_si256((const __m256i *)(weights + g * 64 + half * 32));
      __m256i x = _mm256_and_si256(w, low), y = _mm256_and_si256(_mm256_srli_epi16(w, 4), low);
      for (int r = 0; r < rows; r++) {
        __m256i four = four_codes(codes + r * BLOCK + g * 4);
        lows[r] = _mm256_add_epi16(lows[r], _mm256_maddubs_epi16(x, four));
        highs[r] = _mm256_add_epi16(highs[r], _mm256_maddubs_epi16(y, four));
      }
    }
    for (int r = 0; r < rows; r++) {
      __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(lows[r], one), _mm256_madd_epi16(highs[r], sixteen));
      if (half == 0) sums[r].a = _mm256_add_epi32(sums[r].a, sum);
      else sums[r].b = _mm256_add_epi32(sums[r].b, sum);
    }
  }
}

#include "compute-lanes.h"

END_TARGET
#endif
