// Sixteen floats or integers in one AVX-512 register.
#include <immintrin.h>

typedef __m512 lanes;
typedef __m512i ints;

static inline lanes lanes_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void lanes_store(float *p, lanes x) { _mm512_storeu_ps(p, x); }
static inline lanes lanes_set(float x) { return _mm512_set1_ps(x); }
static inline lanes lanes_add(lanes x, lanes y) { return _mm512_add_ps(x, y); }
static inline lanes lanes_sub(lanes x, lanes y) { return _mm512_sub_ps(x, y); }
static inline lanes lanes_mul(lanes x, lanes y) { return _mm512_mul_ps(x, y); }
static inline lanes lanes_div(lanes x, lanes y) { return _mm512_div_ps(x, y); }
static inline lanes lanes_fma(lanes x, lanes y, lanes z) { return _mm512_fmadd_ps(x, y, z); }
static inline lanes lanes_larger(lanes x, lanes y) { return _mm512_max_ps(x, y); }
static inline lanes lanes_smaller(lanes x, lanes y) { return _mm512_min_ps(x, y); }
static inline lanes lanes_load_half(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline void lanes_store_half(uint16_t *p, lanes x) {
  _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
static inline lanes lanes_between(int from, int to, lanes x, lanes other) {
  return _mm512_mask_blend_ps((__mmask16)((1u << to) - (1u << from)), other, x);
}
static inline lanes lanes_power_of_two(lanes x) {
  __m512i bits = _mm512_slli_epi32(_mm512_castps_si512(x), 23);
  return _mm512_castsi512_ps(_mm512_add_epi32(bits, _mm512_set1_epi32(0x3f800000)));
}
static inline bool lanes_any_above(lanes x, lanes y) { return _mm512_cmp_ps_mask(x, y, _CMP_NLE_UQ) != 0; }
static inline float lanes_sum(lanes x) {
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline float lanes_largest(lanes x) {
  __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
static inline uint32_t lanes_largest_magnitude(lanes x, lanes y) {
  __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
  return _mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(x), magnitude),
                                                  _mm512_and_si512(_mm512_castps_si512(y), magnitude)));
}
static inline int32_t lanes_round_store(int8_t *p, lanes x) {
  __m512i codes = _mm512_cvtps_epi32(x);
  _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(codes));
  return _mm512_reduce_add_epi32(codes);
}
static inline ints ints_set(int32_t x) { return _mm512_set1_epi32(x); }
static inline lanes ints_to_lanes(ints x) { return _mm512_cvtepi32_ps(x); }
