// Sixteen floats or integers in four NEON registers.
#include <arm_neon.h>

typedef struct { float32x4_t v[4]; } lanes;
typedef struct { int32x4_t v[4]; } ints;

#define EACH for (int i = 0; i < 4; i++)

static inline lanes lanes_load(const float *p) { lanes r; EACH r.v[i] = vld1q_f32(p + 4 * i); return r; }
static inline void lanes_store(float *p, lanes x) { EACH vst1q_f32(p + 4 * i, x.v[i]); }
static inline lanes lanes_set(float x) { lanes r; EACH r.v[i] = vdupq_n_f32(x); return r; }
static inline lanes lanes_add(lanes x, lanes y) { EACH x.v[i] = vaddq_f32(x.v[i], y.v[i]); return x; }
static inline lanes lanes_sub(lanes x, lanes y) { EACH x.v[i] = vsubq_f32(x.v[i], y.v[i]); return x; }
static inline lanes lanes_mul(lanes x, lanes y) { EACH x.v[i] = vmulq_f32(x.v[i], y.v[i]); return x; }
static inline lanes lanes_div(lanes x, lanes y) { EACH x.v[i] = vdivq_f32(x.v[i], y.v[i]); return x; }
static inline lanes lanes_fma(lanes x, lanes y, lanes z) { EACH z.v[i] = vfmaq_f32(z.v[i], x.v[i], y.v[i]); return z; }
// By comparison, because vmaxq and vminq treat NaN differently.
static inline lanes lanes_larger(lanes x, lanes y) {
  EACH y.v[i] = vbslq_f32(vcgtq_f32(x.v[i], y.v[i]), x.v[i], y.v[i]);
  return y;
}
static inline lanes lanes_smaller(lanes x, lanes y) {
  EACH y.v[i] = vbslq_f32(vcltq_f32(x.v[i], y.v[i]), x.v[i], y.v[i]);
  return y;
}
static inline lanes lanes_load_half(const uint16_t *p) {
  lanes r;
  EACH r.v[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)));
  return r;
}
static inline void lanes_store_half(uint16_t *p, lanes x) {
  EACH vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(x.v[i])));
}
static inline lanes lanes_between(int from, int to, lanes x, lanes other) {
  static const int32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  EACH {
    int32x4_t index = vld1q_s32(numbers + 4 * i);
    uint32x4_t inside = vandq_u32(vcgeq_s32(index, vdupq_n_s32(from)), vcltq_s32(index, vdupq_n_s32(to)));
    x.v[i] = vbslq_f32(inside, x.v[i], other.v[i]);
  }
  return x;
}
static inline lanes lanes_power_of_two(lanes x) {
  EACH {
    int32x4_t bits = vshlq_n_s32(vreinterpretq_s32_f32(x.v[i]), 23);
    x.v[i] = vreinterpretq_f32_s32(vaddq_s32(bits, vdupq_n_s32(0x3f800000)));
  }
  return x;
}
static inline bool lanes_any_above(lanes x, lanes y) {
  uint32x4_t all = vcleq_f32(x.v[0], y.v[0]);
  for (int i = 1; i < 4; i++) all = vandq_u32(all, vcleq_f32(x.v[i], y.v[i]));
  return vminvq_u32(all) == 0;
}
static inline float lanes_sum(lanes x) {
  float32x4_t four = vaddq_f32(vaddq_f32(x.v[0], x.v[2]), vaddq_f32(x.v[1], x.v[3]));
  float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
static inline float lanes_largest(lanes x) {
  float v[16];
  lanes_store(v, x);
  for (int half = 8; half > 0; half /= 2)
    for (int j = 0; j < half; j++) v[j] = v[j] > v[j + half] ? v[j] : v[j + half];
  return v[0];
}
static inline uint32_t lanes_largest_magnitude(lanes x, lanes y) {
  uint32x4_t largest = vdupq_n_u32(0), magnitude = vdupq_n_u32(0x7fffffff);
  EACH {
    largest = vmaxq_u32(largest, vandq_u32(vreinterpretq_u32_f32(x.v[i]), magnitude));
    largest = vmaxq_u32(largest, vandq_u32(vreinterpretq_u32_f32(y.v[i]), magnitude));
  }
  return vmaxvq_u32(largest);
}
static inline int32_t lanes_round_store(int8_t *p, lanes x) {
  int32x4_t c[4];
  EACH c[i] = vcvtnq_s32_f32(x.v[i]);
  int16x8_t low = vcombine_s16(vmovn_s32(c[0]), vmovn_s32(c[1])), high = vcombine_s16(vmovn_s32(c[2]), vmovn_s32(c[3]));
  vst1q_s8(p, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
  return vaddvq_s32(vaddq_s32(vaddq_s32(c[0], c[1]), vaddq_s32(c[2], c[3])));
}
static inline ints ints_set(int32_t x) { ints r; EACH r.v[i] = vdupq_n_s32(x); return r; }
static inline lanes ints_to_lanes(ints x) { lanes r; EACH r.v[i] = vcvtq_f32_s32(x.v[i]); return r; }
