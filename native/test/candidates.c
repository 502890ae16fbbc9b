// Candidates: against a sort, with ties, zeros of both signs, NaN and infinity.
#include "check.h"

static const float *sorted;

static int compare(const void *a, const void *b) {
  size_t i = *(const size_t *)a, j = *(const size_t *)b;
  float x = sorted[i], y = sorted[j];
  if (x != x && y == y) return 1;
  if (y != y && x == x) return -1;
  if (x > y) return -1;
  if (x < y) return 1;
  return i < j ? -1 : 1;
}

void check_candidates(void) {
  for (int round = 0; round < 60; round++) {
    size_t vocabulary = 1 + random_below(700), count = 1 + random_below(vocabulary < 80 ? vocabulary : 80);
    float *logits = exactly(vocabulary * 4);
    size_t *order = exactly(vocabulary * sizeof(size_t));
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < vocabulary; i++) {
      // Few different values, so that there are ties.
      logits[i] = round % 3 ? random_between(-9, 9) : (float)random_below(7) - 3;
      if (random_below(20) == 0) logits[i] = -0.0f;
      if (round % 5 == 0 && random_below(50) == 0) logits[i] = random_below(2) ? NAN : -INFINITY;
      order[i] = i;
      largest = fmax(largest, logits[i]);
    }
    for (size_t i = 0; i < vocabulary; i++) sum += exp(logits[i] - largest);
    sorted = logits;
    qsort(order, vocabulary, sizeof *order, compare);
    float *best = exactly(count * 4), sums[2];
    int64_t *ids = exactly(count * 8);
    for (int i = 0; i < 2; i++) {
      struct candidates_call call = {logits, best, ids, &sums[i], vocabulary, count};
      (i ? tested : &compute_plain)->find_candidates(&call, 0);
      for (size_t place = 0; place < count; place++)
        EXPECT(ids[place] == (int64_t)order[place] && same(&best[place], &logits[order[place]], 1),
               "place %zu is %lld, not %zu", place, (long long)ids[place], order[place]);
    }
    double expected = largest + log(sum);
    EXPECT(isnan(expected) ? isnan(sums[0]) : fabs(sums[0] - expected) < 1e-5, "%g, not %g", expected, sums[0]);
    EXPECT(same(&sums[0], &sums[1], 1), "%a, not %a", sums[0], sums[1]);
    free(best), free(ids);
    free(logits), free(order);
  }
}
