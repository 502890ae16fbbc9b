// Sixteen floats or integers as plain arrays: the reference for the other lanes. `fused` rounds once on any processor.
#include <math.h>

#include "compute.h"

// Not unrolled: the reference need not be fast, and would be the largest part of the library.
#ifdef __clang__
#define EACH _Pragma("clang loop unroll(disable)") for (int j = 0; j < 16; j++)
#else
#define EACH _Pragma("GCC unroll 1") for (int j = 0; j < 16; j++)
#endif

typedef struct { float v[16]; } lanes;
typedef struct { int32_t v[16]; } ints;

// a·b + c with one rounding. The product is exact in double precision; the sum is rounded to odd there, so that rounding
// it again to single precision gives what one rounding would.
static inline float fused(float a, float b, float c) {
#if defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  double product = (double)a * b, sum = product + c, part = sum - product;
  double error = (product - (sum - part)) + (c - part);
  int64_t odd;
  memcpy(&odd, &sum, 8);
  if (sum - sum == 0 && error != 0 && !(odd & 1)) {
    odd += (error > 0) == (sum > 0) ? 1 : -1;
    memcpy(&sum, &odd, 8);
  }
  return (float)sum;
#endif
}

static inline float half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
  if (exponent == 31) return float_of(sign | 0x7f800000 | fraction << 13 | (fraction != 0) << 22);
  if (exponent == 0) return float_of(sign | bits_of((float)fraction * 0x1p-24f));
  return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

// To the nearest, ties to even.
static inline uint16_t float_to_half(float x) {
  uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
  // Adding a half, the sum's last place is float16's smallest step.
  if (magnitude < 0x38800000) return (uint16_t)(sign | (bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f)));
  return (uint16_t)(sign | (((magnitude + 0xfff + (magnitude >> 13 & 1)) >> 13) - (112 << 10)));
}

static inline lanes lanes_load(const float *p) { lanes r; memcpy(r.v, p, 64); return r; }
static inline void lanes_store(float *p, lanes a) { memcpy(p, a.v, 64); }
static inline lanes lanes_set(float x) { lanes r; EACH r.v[j] = x; return r; }
static inline lanes lanes_add(lanes a, lanes b) { EACH a.v[j] += b.v[j]; return a; }
static inline lanes lanes_sub(lanes a, lanes b) { EACH a.v[j] -= b.v[j]; return a; }
static inline lanes lanes_mul(lanes a, lanes b) { EACH a.v[j] *= b.v[j]; return a; }
static inline lanes lanes_div(lanes a, lanes b) { EACH a.v[j] /= b.v[j]; return a; }
static inline lanes lanes_fma(lanes a, lanes b, lanes c) { EACH c.v[j] = fused(a.v[j], b.v[j], c.v[j]); return c; }
static inline lanes lanes_larger(lanes a, lanes b) { EACH b.v[j] = a.v[j] > b.v[j] ? a.v[j] : b.v[j]; return b; }
static inline lanes lanes_smaller(lanes a, lanes b) { EACH b.v[j] = a.v[j] < b.v[j] ? a.v[j] : b.v[j]; return b; }
static inline lanes lanes_load_half(const uint16_t *p) { lanes r; EACH r.v[j] = half_to_float(p[j]); return r; }
static inline void lanes_store_half(uint16_t *p, lanes a) { EACH p[j] = float_to_half(a.v[j]); }
static inline lanes lanes_between(int from, int to, lanes a, lanes other) {
  EACH if (j < from || j >= to) a.v[j] = other.v[j];
  return a;
}
static inline lanes lanes_power_of_two(lanes a) {
  EACH a.v[j] = float_of((bits_of(a.v[j]) << 23) + 0x3f800000);
  return a;
}
static inline bool lanes_any_above(lanes a, lanes b) {
  bool any = false;
  EACH any |= !(a.v[j] <= b.v[j]);
  return any;
}
static inline float lanes_sum(lanes a) {
  for (int half = 8; half > 0; half /= 2)
    for (int j = 0; j < half; j++) a.v[j] += a.v[j + half];
  return a.v[0];
}
static inline float lanes_largest(lanes a) {
  for (int half = 8; half > 0; half /= 2)
    for (int j = 0; j < half; j++) a.v[j] = a.v[j] > a.v[j + half] ? a.v[j] : a.v[j + half];
  return a.v[0];
}
static inline uint32_t lanes_largest_magnitude(lanes a, lanes b) {
  uint32_t largest = 0;
  EACH {
    uint32_t x = bits_of(a.v[j]) & 0x7fffffff, y = bits_of(b.v[j]) & 0x7fffffff;
    largest = x > largest ? x : largest;
    largest = y > largest ? y : largest;
  }
  return largest;
}
static inline int32_t lanes_round_store(int8_t *p, lanes a) {
  int32_t sum = 0;
  EACH sum += p[j] = (int8_t)nearbyintf(a.v[j]);
  return sum;
}
static inline ints ints_set(int32_t x) { ints r; EACH r.v[j] = x; return r; }
static inline lanes ints_to_lanes(ints a) { lanes r; EACH r.v[j] = (float)a.v[j]; return r; }
