// The operator Linear: reads its weights once, and divides a call's work among the session's threads.
#include <stdlib.h>

#include "operator.h"
#include "packing.h"
#include "scratch.h"

enum { X, NORM, RESIDUAL, BIAS, FIRST_SOURCE, MAX_SOURCES = 3, INPUTS = FIRST_SOURCE + 3 * MAX_SOURCES };

// A part should take longer than a thread needs to fetch it: some microseconds.
enum { PART_BYTES = 24 * 1024, MOST_PARTS = 256 };
// From here on rounding is divided too.
enum { ROWS_TO_DIVIDE = 8 };

struct linear {
  struct packed packed;
  float *norm;
  size_t columns, width, weight_bytes;
  float epsilon;
  bool swiglu;
};

static void destroy(void *kernel) {
  struct linear *linear = kernel;
  free_packed(&linear->packed);
  free(linear->norm);
  free(linear);
}

// A constant input; all zero where it is absent.
static OrtStatus *constant_tensor(const OrtKernelInfo *info, size_t inputs, size_t index, struct tensor *out) {
  *out = (struct tensor){0};
  if (index >= inputs) return NULL;
  int constant = 0;
  const OrtValue *value = NULL;
  TRY(KernelInfoGetConstantInput_tensor(info, index, &constant, &value));
  return constant ? read_tensor(value, out) : NULL;
}

static OrtStatus *read_source(const OrtKernelInfo *info, size_t inputs, size_t number, struct source *source,
                              size_t *blocks) {
  size_t index = FIRST_SOURCE + 3 * number;
  struct tensor codes, scales, minimums;
  TRY(constant_tensor(info, inputs, index, &codes));
  TRY(constant_tensor(info, inputs, index + 1, &scales));
  TRY(constant_tensor(info, inputs, index + 2, &minimums));
  if (!codes.data) return NULL;
  if (codes.rank != 3 || codes.type != TYPE_UINT8 || (codes.shape[2] != 16 && codes.shape[2] != 32) ||
      codes.shape[0] < 1 || codes.shape[1] < 1)
    return failure(ORT_INVALID_ARGUMENT, "Linear: expected codes uint8 [N, K/32, 16 or 32] as input %zu", index);
  source->rows = (size_t)codes.shape[0], source->blocks = (size_t)codes.shape[1];
  if (*blocks && *blocks != source->blocks)
    return failure(ORT_INVALID_ARGUMENT, "Linear: expected %zu blocks of codes in input %zu, found %zu", *blocks, index,
                   source->blocks);
  *blocks = source->blocks;
  const struct tensor *values[] = {&scales, &minimums};
  for (size_t i = 0; i < 2; i++)
    if ((i == 0 || values[i]->data) &&
        ((values[i]->type != TYPE_FLOAT && values[i]->type != TYPE_FLOAT16) ||
         elements_of(values[i]) != source->rows * source->blocks))
      return failure(ORT_INVALID_ARGUMENT, "Linear: expected constant float32 or float16 [%zu, %zu] as input %zu",
                     source->rows, source->blocks, index + 1 + i);
  source->codes = codes.data;
  source->bits = (int)codes.shape[2] / 4;
  source->scales = scales.data, source->scale_halves = scales.type == TYPE_FLOAT16;
  source->minimums = minimums.data, source->minimum_halves = minimums.type == TYPE_FLOAT16;
  return NULL;
}

static OrtStatus *create_linear(struct linear *linear, const OrtKernelInfo *info) {
  size_t inputs, count = 0, blocks = 0, rows = 0;
  TRY(KernelInfo_GetInputCount(info, &inputs));
  struct source sources[MAX_SOURCES] = {{0}};
  for (; count < MAX_SOURCES; count++) {
    TRY(read_source(info, inputs, count, &sources[count], &blocks));
    if (!sources[count].codes) break;
    rows += sources[count].rows;
  }
  if (count == 0) return failure(ORT_INVALID_ARGUMENT, "Linear: expected constant codes as input %d", FIRST_SOURCE);
  int64_t centres[MAX_SOURCES] = {0};
  size_t centre_count = MAX_SOURCES;
  OrtStatus *status = KernelInfoGetAttributeArray_int64(info, "centres", centres, &centre_count);
  if (status) ReleaseStatus(status), centre_count = 0;
  for (size_t i = 0; i < count; i++) {
    if (sources[i].minimums) continue;
    if (i >= centre_count || centres[i] < 0 || centres[i] > 255)
      return failure(ORT_INVALID_ARGUMENT, "Linear: expected attribute centres with 0 to 255 for source %zu, which has no minimums", i);
    sources[i].centre = (int32_t)centres[i];
  }
  linear->swiglu = integer_attribute(info, "swiglu", 0) != 0;
  linear->epsilon = float_attribute(info, "epsilon", 0);
  if (linear->swiglu && rows % 2)
    return failure(ORT_INVALID_ARGUMENT, "Linear: expected an even number of outputs with swiglu, found %zu", rows);
  linear->width = linear->swiglu ? rows / 2 : rows;
  linear->columns = blocks * BLOCK;
  struct tensor norm, bias;
  TRY(constant_tensor(info, inputs, NORM, &norm));
  TRY(constant_tensor(info, inputs, BIAS, &bias));
  if (norm.data) {
    if (norm.type != TYPE_FLOAT || elements_of(&norm) != linear->columns)
      return failure(ORT_INVALID_ARGUMENT, "Linear: expected a norm float32 [%zu]", linear->columns);
    linear->norm = malloc(linear->columns * sizeof(float));
    if (!linear->norm) return failure(ORT_FAIL, "Linear: no memory for the norm");
    memcpy(linear->norm, norm.data, linear->columns * sizeof(float));
  }
  if (bias.data && (bias.type != TYPE_FLOAT || elements_of(&bias) != rows))
    return failure(ORT_INVALID_ARGUMENT, "Linear: expected a bias float32 [%zu]", rows);
  if (!pack(sources, count, bias.data, linear->swiglu, &linear->packed))
    return failure(ORT_FAIL, "Linear: no memory for %zu outputs of %zu packed weights", rows, linear->columns);
  for (size_t i = 0; i < count; i++) {
    size_t code_bytes = sources[i].rows * sources[i].blocks * (size_t)sources[i].bits * 4;
    linear->weight_bytes += code_bytes;
    leave_memory(sources[i].codes, code_bytes);
  }
  return NULL;
}

static OrtStatus *create(const OrtCustomOp *op, const OrtApi *api, const OrtKernelInfo *info, void **out) {
  (void)op, (void)api;
  struct linear *linear = calloc(1, sizeof *linear);
  if (!linear) return failure(ORT_FAIL, "Linear: no memory");
  OrtStatus *status = create_linear(linear, info);
  if (status) destroy(linear);
  else *out = linear;
  return status;
}

static void round_unit(void *call, size_t row) { compute->round_row(call, row); }
static void part_unit(void *call, size_t part) { compute->linear_part(call, part); }

static OrtStatus *run_call(const struct linear *linear, OrtKernelContext *context, struct linear_call *call) {
  size_t rows = call->rows, columns = call->columns, blocks = columns / BLOCK;
  struct scratch *scratch = take_scratch(rows * (columns + blocks * 12));
  if (!scratch) return failure(ORT_FAIL, "Linear: no memory for %zu rounded rows", rows);
  call->rounded.codes = scratch->memory;
  call->rounded.scales = (float *)(call->rounded.codes + rows * columns);
  call->rounded.scaled_sums = call->rounded.scales + rows * blocks;
  call->rounded.sums = (int32_t *)(call->rounded.scaled_sums + rows * blocks);
  OrtStatus *status = NULL;
  if (rows >= ROWS_TO_DIVIDE) status = KernelContext_ParallelFor(context, round_unit, rows, 0, call);
  else
    for (size_t row = 0; row < rows; row++) compute->round_row(call, row);
  size_t work = linear->weight_bytes * (rows < ROW_CHUNK ? rows : ROW_CHUNK);
  call->parts = work / PART_BYTES < 1 ? 1 : work / PART_BYTES > MOST_PARTS ? MOST_PARTS : work / PART_BYTES;
  if (call->parts > call->units) call->parts = call->units;
  size_t chunks = (rows + ROW_CHUNK - 1) / ROW_CHUNK;
  if (!status) status = KernelContext_ParallelFor(context, part_unit, call->parts * chunks, 0, call);
  return_scratch(scratch);
  return status;
}

static OrtStatus *run(void *kernel, OrtKernelContext *context) {
  const struct linear *linear = kernel;
  struct tensor x, residual;
  TRY(input_tensor(context, X, &x));
  TRY(input_tensor(context, RESIDUAL, &residual));
  if (x.rank < 1 || (size_t)x.shape[x.rank - 1] != linear->columns)
    return failure(ORT_INVALID_ARGUMENT, "Linear: expected x [..., %zu], found %lld columns", linear->columns,
                   x.rank < 1 ? 0LL : (long long)x.shape[x.rank - 1]);
  size_t rows = elements_of(&x) / linear->columns;
  if (residual.data && elements_of(&residual) != rows * linear->width)
    return failure(ORT_INVALID_ARGUMENT, "Linear: expected a residual of %zu rows of %zu, found %zu elements", rows,
                   linear->width, elements_of(&residual));
  x.shape[x.rank - 1] = (int64_t)linear->width;
  void *y;
  TRY(output_tensor(context, 0, x.shape, x.rank, &y));
  if (rows == 0) return NULL;
  struct linear_call call = {.x = x.data,
                             .norm = linear->norm,
                             .residual = residual.data,
                             .y = y,
                             .tiles = linear->packed.tiles,
                             .rows = rows,
                             .columns = linear->columns,
                             .width = linear->width,
                             .units = linear->packed.tile_count / (linear->swiglu ? 2 : 1),
                             .epsilon = linear->epsilon,
                             .swiglu = linear->swiglu};
  return run_call(linear, context, &call);
}

struct operator linear_operator(void) {
  static const int types[INPUTS] = {TYPE_FLOAT, TYPE_FLOAT, TYPE_FLOAT, TYPE_FLOAT, TYPE_UINT8, TYPE_ANY, TYPE_ANY,
                                    TYPE_UINT8, TYPE_ANY,   TYPE_ANY,   TYPE_UINT8, TYPE_ANY,   TYPE_ANY};
  static const int optional[INPUTS] = {0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1};
  static const int outputs[] = {TYPE_FLOAT};
  return operator_of("Linear", INPUTS, types, optional, 1, outputs, create, run, destroy);
}
