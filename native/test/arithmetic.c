// One rounding of a·b + c, float16, e^x and the logarithm in plain C.
#include "../src/lanes-plain.h"

#include "check.h"
#include "../src/exponential.h"

static float any_float(void) {
  float x = float_of((uint32_t)random_bits());
  return random_below(3) ? random_between(-2, 2) : x == x ? x : 1;
}

void check_arithmetic(void) {
  for (int i = 0; i < 200000; i++) {
    float a = any_float(), b = any_float(), c = random_below(4) ? any_float() : -(a * b) * (1 + random_between(-1, 1) * 0x1p-23f);
    float ours = fused(a, b, c), theirs = fmaf(a, b, c);
    EXPECT(same(&ours, &theirs, 1), "%a * %a + %a: %a, not %a", a, b, c, theirs, ours);
  }
  for (int half = 0; half < 0x10000; half++) {
    float value = half_to_float((uint16_t)half);
    int exponent = half >> 10 & 31;
    double expected = exponent == 0 ? (half & 1023) * 0x1p-24 : ldexp((half & 1023) + 1024, exponent - 25);
    if (exponent < 31) EXPECT((double)value == (half & 0x8000 ? -expected : expected), "%x", half);
    if (value != value) EXPECT(half_to_float(float_to_half(value)) != value, "NaN of %x", half);
    else EXPECT(float_to_half(value) == half, "%x came back as %x", half, float_to_half(value));
    // Between this half and the next the middle goes to the even one, and its neighbours to theirs.
    if ((half & 0x7fff) >= 0x7bff) continue;
    float middle = (float)(((double)value + half_to_float((uint16_t)(half + 1))) / 2);
    EXPECT(float_to_half(middle) == (half & 1 ? half + 1 : half), "the middle after %x", half);
    EXPECT(float_to_half(float_of(bits_of(middle) - 1)) == half, "below the middle after %x", half);
    EXPECT(float_to_half(float_of(bits_of(middle) + 1)) == half + 1, "above the middle after %x", half);
  }
  EXPECT(float_to_half(65519.996f) == 0x7bff && float_to_half(65520) == 0x7c00 && float_to_half(-1e30f) == 0xfc00, "the ends");
  for (int i = 0; i < 20000; i++) {
    float x = random_between(-87, 88), e[16];
    lanes_store(e, lanes_exp(lanes_set(x)));
    EXPECT(fabs(e[3] / exp(x) - 1) < 2e-7, "e^%g is %g", x, e[3]);
    float y = random_between(1, i % 2 ? 4 : 1e6f), logarithm = natural_logarithm(y);
    EXPECT(fabs(logarithm - log(y)) < 2e-7 * fmax(1, log(y)), "log %g is %g", y, logarithm);
  }
}
