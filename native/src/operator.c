// The answers to ONNX Runtime's questions about an operator, and tensors and failures in its terms.
#include "operator.h"

#include <stdarg.h>
#include <stdio.h>

const OrtApi *ort_api;
const struct compute *compute;

static const struct operator *of(const OrtCustomOp *op) { return (const struct operator *)op; }
static const char *name(const OrtCustomOp *op) { return of(op)->name; }
static const char *provider(const OrtCustomOp *op) { return (void)op, "CPUExecutionProvider"; }
static int input_type(const OrtCustomOp *op, size_t index) { return of(op)->input_types[index]; }
static size_t input_count(const OrtCustomOp *op) { return of(op)->inputs; }
static int output_type(const OrtCustomOp *op, size_t index) { return of(op)->output_types[index]; }
static size_t output_count(const OrtCustomOp *op) { return of(op)->outputs; }
static int input_characteristic(const OrtCustomOp *op, size_t index) {
  return of(op)->optional_inputs[index] ? OPTIONAL : REQUIRED;
}
static int output_characteristic(const OrtCustomOp *op, size_t index) { return (void)op, (void)index, REQUIRED; }
static int memory_type(const OrtCustomOp *op, size_t index) { return (void)op, (void)index, 0; }
static int one(const OrtCustomOp *op) { return (void)op, 1; }

struct operator operator_of(const char *operator_name, size_t inputs, const int *input_types, const int *optional_inputs,
                            size_t outputs, const int *output_types,
                            OrtStatus *(*create)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **),
                            OrtStatus *(*run)(void *, OrtKernelContext *), void (*destroy)(void *)) {
  return (struct operator){
      .op = {.version = ORT_API_VERSION,
             .GetName = name,
             .GetExecutionProviderType = provider,
             .GetInputType = input_type,
             .GetInputTypeCount = input_count,
             .GetOutputType = output_type,
             .GetOutputTypeCount = output_count,
             .KernelDestroy = destroy,
             .GetInputCharacteristic = input_characteristic,
             .GetOutputCharacteristic = output_characteristic,
             .GetInputMemoryType = memory_type,
             .GetVariadicInputMinArity = one,
             .GetVariadicInputHomogeneity = one,
             .GetVariadicOutputMinArity = one,
             .GetVariadicOutputHomogeneity = one,
             .CreateKernelV2 = create,
             .KernelComputeV2 = run,
             .GetStartVersion = one,
             .GetEndVersion = one},
      .name = operator_name,
      .inputs = inputs,
      .outputs = outputs,
      .input_types = input_types,
      .output_types = output_types,
      .optional_inputs = optional_inputs,
  };
}

OrtStatus *read_tensor(const OrtValue *value, struct tensor *out) {
  *out = (struct tensor){0};
  if (!value) return NULL;
  OrtTensorTypeAndShapeInfo *info;
  TRY(GetTensorTypeAndShape(value, &info));
  OrtStatus *status = GetTensorElementType(info, &out->type);
  if (!status) status = GetDimensionsCount(info, &out->rank);
  if (!status && out->rank > MAX_RANK)
    status = failure(ORT_INVALID_ARGUMENT, "expected at most %d dimensions, found %zu", MAX_RANK, out->rank);
  if (!status) status = GetDimensions(info, out->shape, out->rank);
  ReleaseTensorTypeAndShapeInfo(info);
  // ONNX Runtime's function takes a value that may be written to; inputs are only read.
  return status ? status : GetTensorMutableData((OrtValue *)value, &out->data);
}

OrtStatus *input_tensor(const OrtKernelContext *context, size_t index, struct tensor *out) {
  const OrtValue *value = NULL;
  TRY(KernelContext_GetInput(context, index, &value));
  return read_tensor(value, out);
}

OrtStatus *output_tensor(OrtKernelContext *context, size_t index, const int64_t *shape, size_t rank, void **data) {
  OrtValue *value = NULL;
  TRY(KernelContext_GetOutput(context, index, shape, rank, &value));
  return GetTensorMutableData(value, data);
}

size_t elements_of(const struct tensor *tensor) {
  size_t count = tensor->data ? 1 : 0;
  for (size_t i = 0; i < tensor->rank; i++) count *= (size_t)tensor->shape[i];
  return count;
}

OrtStatus *failure(int code, const char *format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return CreateStatus(code, message);
}

int64_t integer_attribute(const OrtKernelInfo *info, const char *attribute, int64_t otherwise) {
  int64_t value;
  OrtStatus *status = KernelInfoGetAttribute_int64(info, attribute, &value);
  if (!status) return value;
  ReleaseStatus(status);
  return otherwise;
}

float float_attribute(const OrtKernelInfo *info, const char *attribute, float otherwise) {
  float value;
  OrtStatus *status = KernelInfoGetAttribute_float(info, attribute, &value);
  if (!status) return value;
  ReleaseStatus(status);
  return otherwise;
}
