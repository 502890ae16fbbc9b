// The operator Candidates: the best logits of each row, and the logarithm of the sum of all exponentials.
#include <stdlib.h>

#include "operator.h"

struct candidates {
  int64_t count;
};

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **out) {
  (void)op, (void)api;
  int64_t count = integer_attribute(info, "count", 0);
  if (count < 1) return failure(ORT_INVALID_ARGUMENT, "Candidates: expected count 1 or more, found %lld", (long long)count);
  struct candidates *candidates = malloc(sizeof *candidates);
  if (!candidates) return failure(ORT_FAIL, "Candidates: no memory");
  candidates->count = count;
  *out = candidates;
  return NULL;
}

static void row_unit(void *call, size_t row) { compute->find_candidates(call, row); }

static OrtStatus *run(void *kernel, OrtKernelContext *context) {
  const struct candidates *candidates = kernel;
  struct tensor logits;
  TRY(input_tensor(context, 0, &logits));
  if (logits.rank != 2 || logits.shape[1] < candidates->count)
    return failure(ORT_INVALID_ARGUMENT, "Candidates: expected logits [batch, at least %lld]", (long long)candidates->count);
  int64_t shape[] = {logits.shape[0], candidates->count};
  void *best, *ids, *log_sums;
  TRY(output_tensor(context, 0, shape, 2, &best));
  TRY(output_tensor(context, 1, shape, 2, &ids));
  TRY(output_tensor(context, 2, shape, 1, &log_sums));
  struct candidates_call call = {.logits = logits.data,
                                 .best = best,
                                 .ids = ids,
                                 .log_sums = log_sums,
                                 .vocabulary = (size_t)logits.shape[1],
                                 .count = (size_t)candidates->count};
  if (logits.shape[0] == 0) return NULL;
  return KernelContext_ParallelFor(context, row_unit, (size_t)logits.shape[0], 0, &call);
}

struct operator candidates_operator(void) {
  static const int types[] = {TYPE_FLOAT}, optional[] = {0}, outputs[] = {TYPE_FLOAT, TYPE_INT64, TYPE_FLOAT};
  return operator_of("Candidates", 1, types, optional, 3, outputs, create, run, free);
}
