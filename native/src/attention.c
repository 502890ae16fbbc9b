// The operator Attention: checks its tensors, and divides rows, key heads and blocks of queries among the session's threads.
#include <stdlib.h>

#include "operator.h"

enum { QKV, PAST_KEY, PAST_VALUE, LENGTHS, COSINE, SINE, QUERY_NORM, KEY_NORM, INPUTS };

// Queries of a block, of all heads that share a key head: enough to use what was fetched, few enough for many threads.
enum { BLOCK_QUERIES = 24 };

struct attention {
  int64_t heads, kv_heads, size, window;
  float epsilon;
};

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **out) {
  (void)op, (void)api;
  struct attention made = {.heads = integer_attribute(info, "heads", 0),
                           .kv_heads = integer_attribute(info, "kv_heads", 0),
                           .size = integer_attribute(info, "head_size", 0),
                           .window = integer_attribute(info, "window", 0),
                           .epsilon = float_attribute(info, "epsilon", 0)};
  if (made.kv_heads < 1 || made.heads < 1 || made.heads % made.kv_heads)
    return failure(ORT_INVALID_ARGUMENT, "Attention: expected heads a multiple of kv_heads, found %lld and %lld",
                   (long long)made.heads, (long long)made.kv_heads);
  if (made.size < 16 || made.size > 256 || made.size % 16)
    return failure(ORT_INVALID_ARGUMENT, "Attention: expected head_size a multiple of 16 up to 256, found %lld",
                   (long long)made.size);
  if (made.window < 0)
    return failure(ORT_INVALID_ARGUMENT, "Attention: expected window 0 or more, found %lld", (long long)made.window);
  struct attention *attention = malloc(sizeof *attention);
  if (!attention) return failure(ORT_FAIL, "Attention: no memory");
  *attention = made;
  *out = attention;
  return NULL;
}

// The cache's tensors as the attributes and the step want them.
static OrtStatus *check(const struct attention *attention, const struct tensor *in) {
  const struct tensor *qkv = &in[QKV], *key = &in[PAST_KEY], *value = &in[PAST_VALUE];
  int64_t width = (attention->heads + 2 * attention->kv_heads) * attention->size;
  if (qkv->rank != 3 || qkv->shape[2] != width)
    return failure(ORT_INVALID_ARGUMENT, "Attention: expected qkv [batch, steps, %lld]", (long long)width);
  if (key->rank != 4 || key->shape[0] < qkv->shape[0] || key->shape[1] != attention->kv_heads || key->shape[2] % 16 ||
      key->shape[3] != attention->size || value->rank != 4 || memcmp(key->shape, value->shape, 4 * sizeof(int64_t)))
    return failure(ORT_INVALID_ARGUMENT,
                   "Attention: expected past_key and past_value [batch, %lld, a multiple of 16, %lld] of one shape",
                   (long long)attention->kv_heads, (long long)attention->size);
  if (elements_of(&in[LENGTHS]) < (size_t)qkv->shape[0])
    return failure(ORT_INVALID_ARGUMENT, "Attention: expected lengths [%lld]", (long long)qkv->shape[0]);
  if (in[COSINE].rank != 2 || in[COSINE].shape[1] != attention->size / 2 ||
      elements_of(&in[COSINE]) != elements_of(&in[SINE]))
    return failure(ORT_INVALID_ARGUMENT, "Attention: expected cosine and sine [positions, %lld]",
                   (long long)attention->size / 2);
  for (int i = QUERY_NORM; i <= KEY_NORM; i++)
    if (in[i].data && elements_of(&in[i]) != (size_t)attention->size)
      return failure(ORT_INVALID_ARGUMENT, "Attention: expected query_norm and key_norm [%lld]",
                     (long long)attention->size);
  const int32_t *lengths = in[LENGTHS].data;
  for (int64_t row = 0; row < qkv->shape[0]; row++)
    if ((int64_t)lengths[row] + 1 < qkv->shape[1] || lengths[row] >= key->shape[2] || lengths[row] >= in[COSINE].shape[0])
      return failure(ORT_INVALID_ARGUMENT,
                     "Attention: row %lld has %lld tokens after a step of %lld, expected at least those and at most the "
                     "capacity of %lld and %lld positions",
                     (long long)row, (long long)lengths[row] + 1, (long long)qkv->shape[1], (long long)key->shape[2],
                     (long long)in[COSINE].shape[0]);
  return NULL;
}

static void write_unit(void *call, size_t unit) { compute->write_keys(call, unit); }
static void attend_unit(void *call, size_t unit) { compute->attend(call, unit); }

static OrtStatus *run(void *kernel, OrtKernelContext *context) {
  const struct attention *attention = kernel;
  struct tensor in[INPUTS];
  for (size_t i = 0; i < INPUTS; i++) TRY(input_tensor(context, i, &in[i]));
  TRY(check(attention, in));
  void *out, *present[2];
  int64_t shape[] = {in[QKV].shape[0], in[QKV].shape[1], attention->heads * attention->size};
  TRY(output_tensor(context, 0, shape, 3, &out));
  bool halves = in[PAST_KEY].type == TYPE_FLOAT16;
  for (size_t i = 0; i < 2; i++) {
    const struct tensor *past = &in[PAST_KEY + i];
    TRY(output_tensor(context, 1 + i, past->shape, past->rank, &present[i]));
    if (present[i] != past->data) memcpy(present[i], past->data, elements_of(past) * (halves ? 2 : 4));
  }
  size_t batch = (size_t)shape[0], steps = (size_t)shape[1], group = (size_t)(attention->heads / attention->kv_heads);
  if (batch == 0 || steps == 0) return NULL;
  struct attention_call call = {.qkv = in[QKV].data,
                                .keys = present[0],
                                .values = present[1],
                                .lengths = in[LENGTHS].data,
                                .cosine = in[COSINE].data,
                                .sine = in[SINE].data,
                                .query_norm = in[QUERY_NORM].data,
                                .key_norm = in[KEY_NORM].data,
                                .out = out,
                                .batch = batch,
                                .steps = steps,
                                .heads = (size_t)attention->heads,
                                .kv_heads = (size_t)attention->kv_heads,
                                .size = (size_t)attention->size,
                                .capacity = (size_t)in[PAST_KEY].shape[2],
                                .window = (size_t)attention->window,
                                .block_steps = group < BLOCK_QUERIES ? BLOCK_QUERIES / group : 1,
                                .epsilon = attention->epsilon,
                                .halves = halves};
  size_t units = batch * call.kv_heads * ((steps + call.block_steps - 1) / call.block_steps);
  // Several blocks of a row read each other's keys, so all are written first.
  if (steps > call.block_steps) TRY(KernelContext_ParallelFor(context, write_unit, units, 0, &call));
  TRY(KernelContext_ParallelFor(context, attend_unit, units, 0, &call));
  return call.failed ? failure(ORT_FAIL, "Attention: no memory for the scores of %zu positions", call.capacity) : NULL;
}

struct operator attention_operator(int cache_type) {
  static const int floats[INPUTS] = {TYPE_FLOAT, TYPE_FLOAT, TYPE_FLOAT, TYPE_INT32,
                                     TYPE_FLOAT, TYPE_FLOAT, TYPE_FLOAT, TYPE_FLOAT};
  static const int halves[INPUTS] = {TYPE_FLOAT, TYPE_FLOAT16, TYPE_FLOAT16, TYPE_INT32,
                                     TYPE_FLOAT, TYPE_FLOAT,   TYPE_FLOAT,   TYPE_FLOAT};
  static const int float_outputs[] = {TYPE_FLOAT, TYPE_FLOAT, TYPE_FLOAT};
  static const int half_outputs[] = {TYPE_FLOAT, TYPE_FLOAT16, TYPE_FLOAT16};
  static const int optional[INPUTS] = {0, 0, 0, 0, 0, 0, 1, 1};
  bool half = cache_type == TYPE_FLOAT16;
  return operator_of("Attention", INPUTS, half ? halves : floats, optional, 3, half ? half_outputs : float_outputs, create,
                     run, free);
}
