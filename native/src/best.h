// The best logits of a row, best first and of equal ones the lower index first, and the logarithm of the sum of all
// exponentials. NaN is below all.

// Larger logits have larger ranks; −0 ranks as 0.
static inline int32_t rank_of(float x) {
  if (x != x) return INT32_MIN;
  int32_t bits = (int32_t)bits_of(x + 0.0f);
  return bits < 0 ? (int32_t)(0x80000000u - (uint32_t)bits) : bits;
}

static void find_candidates(const struct candidates_call *call, size_t row) {
  const float *logits = call->logits + row * call->vocabulary;
  float *best = call->best + row * call->count;
  int64_t *ids = call->ids + row * call->count;
  size_t vocabulary = call->vocabulary, found = 0;
  lanes largest = lanes_set(float_of(0xff800000)), lowest = largest, threshold = lanes_set(float_of(0x7fc00000));
  for (size_t i = 0; i < vocabulary; i += LANES) {
    size_t count = vocabulary - i < LANES ? vocabulary - i : LANES;
    float part[LANES];
    lanes x;
    if (count == LANES) x = lanes_load(logits + i);
    else {
      lanes_store(part, lowest);
      memcpy(part, logits + i, count * sizeof(float));
      x = lanes_load(part);
    }
    largest = lanes_larger(largest, x);
    // NaN, the threshold until enough are found, lets all through.
    if (!lanes_any_above(x, threshold)) continue;
    for (size_t j = i; j < i + count; j++) {
      int32_t rank = rank_of(logits[j]);
      if (found == call->count && rank <= rank_of(best[found - 1])) continue;
      size_t place = found < call->count ? found++ : found - 1;
      for (; place > 0 && rank_of(best[place - 1]) < rank; place--) best[place] = best[place - 1], ids[place] = ids[place - 1];
      best[place] = logits[j], ids[place] = (int64_t)j;
    }
    if (found == call->count) threshold = lanes_set(best[found - 1]);
  }
  float most = lanes_largest(largest);
  lanes sum = lanes_set(0), shift = lanes_set(most);
  for (size_t i = 0; i < vocabulary; i += LANES) {
    size_t count = vocabulary - i < LANES ? vocabulary - i : LANES;
    if (count == LANES) {
      sum = lanes_add(sum, lanes_exp(lanes_sub(lanes_load(logits + i), shift)));
    } else {
      float part[LANES] = {0};
      memcpy(part, logits + i, count * sizeof(float));
      lanes x = lanes_exp(lanes_sub(lanes_load(part), shift));
      sum = lanes_add(sum, lanes_between(0, (int)count, x, lanes_set(0)));
    }
  }
  call->log_sums[row] = most + natural_logarithm(lanes_sum(sum));
}
