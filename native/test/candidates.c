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
    float plain_sum = 0;
    const struct compute *const *set = available_sets();
    for (bool plain = true; plain || *set; plain ? (plain = false) : (void)set++) {
      const struct compute *used = plain ? &compute_plain : *set;
      float *best = exactly(count * 4), log_sum;
      int64_t *ids = exactly(count * 8);
      used->find_candidates(&(struct candidates_call){logits, best, ids, &log_sum, vocabulary, count}, 0);
      for (size_t i = 0; i < count; i++)
        EXPECT(ids[i] == (int64_t)order[i] && same(&best[i], &logits[order[i]], 1), "%s: place %zu is %lld, not %zu",
               used->name, i, (long long)ids[i], order[i]);
      if (plain) {
        plain_sum = log_sum;
        double expected = largest + log(sum);
        EXPECT(isnan(expected) ? isnan(log_sum) : fabs(log_sum - expected) < 1e-5, "%g, not %g", expected, log_sum);
      }
      EXPECT(same(&log_sum, &plain_sum, 1), "%s: %a, not %a", used->name, plain_sum, log_sum);
      free(best), free(ids);
    }
    free(logits), free(order);
  }
  printf("candidates\n");
}
