// e^x and the natural logarithm over lanes, by the polynomials of the Cephes library: the same operations everywhere.

// For x below −87 that of −87, above 88 that of 88; NaN stays NaN.
static inline lanes lanes_exp(lanes x) {
  // Adding 1.5·2^23 rounds to an integer, which then lies in the lowest bits.
  const lanes rounder = lanes_set(12582912.0f);
  x = lanes_smaller(lanes_set(88), lanes_larger(lanes_set(-87), x));
  lanes shifted = lanes_fma(x, lanes_set(1.44269504f), rounder);
  lanes n = lanes_sub(shifted, rounder);
  lanes r = lanes_fma(n, lanes_set(-0.693359375f), x);
  r = lanes_fma(n, lanes_set(2.12194440e-4f), r);
  lanes p = lanes_set(1.9875691500e-4f);
  p = lanes_fma(p, r, lanes_set(1.3981999507e-3f));
  p = lanes_fma(p, r, lanes_set(8.3334519073e-3f));
  p = lanes_fma(p, r, lanes_set(4.1665795894e-2f));
  p = lanes_fma(p, r, lanes_set(1.6666665459e-1f));
  p = lanes_fma(p, r, lanes_set(5.0000001201e-1f));
  p = lanes_fma(p, lanes_mul(r, r), lanes_add(r, lanes_set(1)));
  return lanes_mul(p, lanes_power_of_two(shifted));
}

// For x ≥ 1; NaN for NaN.
static inline float natural_logarithm(float x) {
  if (!(x >= 1 && x <= 3.4e38f)) return float_of(0x7fc00000);
  int32_t exponent = (int32_t)(bits_of(x) >> 23) - 126;
  float fraction = float_of((bits_of(x) & 0x7fffff) | 0x3f000000);
  if (fraction < 0.707106781f) exponent--, fraction += fraction;
  lanes r = lanes_set(fraction - 1), e = lanes_set((float)exponent), square = lanes_mul(r, r);
  lanes p = lanes_set(7.0376836292e-2f);
  p = lanes_fma(p, r, lanes_set(-1.1514610310e-1f));
  p = lanes_fma(p, r, lanes_set(1.1676998740e-1f));
  p = lanes_fma(p, r, lanes_set(-1.2420140846e-1f));
  p = lanes_fma(p, r, lanes_set(1.4249322787e-1f));
  p = lanes_fma(p, r, lanes_set(-1.6668057665e-1f));
  p = lanes_fma(p, r, lanes_set(2.0000714765e-1f));
  p = lanes_fma(p, r, lanes_set(-2.4999993993e-1f));
  p = lanes_fma(p, r, lanes_set(3.3333331174e-1f));
  lanes y = lanes_mul(lanes_mul(p, r), square);
  y = lanes_fma(e, lanes_set(-2.12194440e-4f), y);
  y = lanes_fma(square, lanes_set(-0.5f), y);
  y = lanes_fma(e, lanes_set(0.693359375f), lanes_add(r, y));
  float result[LANES];
  lanes_store(result, y);
  return result[0];
}
