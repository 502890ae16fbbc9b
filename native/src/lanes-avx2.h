// Sixteen floats or integers in two AVX2 registers.
#include <immintrin.h>

typedef struct { __m256 a, b; } lanes;
typedef struct { __m256i a, b; } ints;

static inline lanes lanes_load(const float *p) { return (lanes){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
static inline void lanes_store(float *p, lanes x) { _mm256_storeu_ps(p, x.a), _mm256_storeu_ps(p + 8, x.b); }
static inline lanes lanes_set(float x) { return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
static inline lanes lanes_add(lanes x, lanes y) { return (lanes){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
static inline lanes lanes_sub(lanes x, lanes y) { return (lanes){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
static inline lanes lanes_mul(lanes x, lanes y) { return (lanes){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
static inline lanes lanes_div(lanes x, lanes y) { return (lanes){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
static inline lanes lanes_fma(lanes x, lanes y, lanes z) {
  return (lanes){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
static inline lanes lanes_larger(lanes x, lanes y) { return (lanes){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
static inline lanes lanes_smaller(lanes x, lanes y) { return (lanes){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
static inline lanes lanes_load_half(const uint16_t *p) {
  return (lanes){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
}
static inline void lanes_store_half(uint16_t *p, lanes x) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
  _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}
static inline __m256 lanes_between8(__m256i index, int from, int to, __m256 x, __m256 other) {
  __m256i outside = _mm256_or_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(from), index),
                                    _mm256_cmpgt_epi32(index, _mm256_set1_epi32(to - 1)));
  return _mm256_blendv_ps(x, other, _mm256_castsi256_ps(outside));
}
static inline lanes lanes_between(int from, int to, lanes x, lanes other) {
  return (lanes){lanes_between8(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), from, to, x.a, other.a),
                 lanes_between8(_mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15), from, to, x.b, other.b)};
}
static inline __m256 lanes_power_of_two8(__m256 x) {
  __m256i bits = _mm256_slli_epi32(_mm256_castps_si256(x), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(bits, _mm256_set1_epi32(0x3f800000)));
}
static inline lanes lanes_power_of_two(lanes x) {
  return (lanes){lanes_power_of_two8(x.a), lanes_power_of_two8(x.b)};
}
static inline bool lanes_any_above(lanes x, lanes y) {
  return _mm256_movemask_ps(
      _mm256_or_ps(_mm256_cmp_ps(x.a, y.a, _CMP_NLE_UQ), _mm256_cmp_ps(x.b, y.b, _CMP_NLE_UQ)));
}
static inline float lanes_sum(lanes x) {
  __m256 eight = _mm256_add_ps(x.a, x.b);
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline float lanes_largest(lanes x) {
  __m256 eight = _mm256_max_ps(x.a, x.b);
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
static inline uint32_t lanes_largest_magnitude(lanes x, lanes y) {
  __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
  __m256i a = _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(x.a), magnitude),
                               _mm256_and_si256(_mm256_castps_si256(x.b), magnitude));
  __m256i b = _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(y.a), magnitude),
                               _mm256_and_si256(_mm256_castps_si256(y.b), magnitude));
  __m256i eight = _mm256_max_epi32(a, b);
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return (uint32_t)_mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
static inline int32_t lanes_round_store(int8_t *p, lanes x) {
  __m256i a = _mm256_cvtps_epi32(x.a), b = _mm256_cvtps_epi32(x.b), eight = _mm256_add_epi32(a, b);
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);
  __m128i codes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128((__m128i *)p, codes);
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
}
static inline ints ints_set(int32_t x) { return (ints){_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
static inline lanes ints_to_lanes(ints x) { return (lanes){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
static inline __m256i four_codes(const int8_t *p) {
  int32_t codes;
  memcpy(&codes, p, 4);
  return _mm256_set1_epi32(codes);
}
