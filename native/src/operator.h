// One operator as ONNX Runtime asks for it, and what the operators have in common: tensors and failures.
#ifndef MAGDI_OPERATOR_H
#define MAGDI_OPERATOR_H

#include "compute.h"
#include "ort-api.h"

enum { MAX_RANK = 8 };

struct operator {
  OrtCustomOp op;  // first, so that ONNX Runtime's pointer is ours
  const char *name;
  size_t inputs, outputs;
  const int *input_types, *output_types;
  const int *optional_inputs;  // 1 where an input may be absent
};

struct operator operator_of(const char *name, size_t inputs, const int *input_types, const int *optional_inputs,
                            size_t outputs, const int *output_types,
                            OrtStatus *(*create)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **),
                            OrtStatus *(*run)(void *, OrtKernelContext *), void (*destroy)(void *));

struct tensor {
  void *data;
  int type;
  size_t rank;
  int64_t shape[MAX_RANK];
};

// All zero for an absent value.
OrtStatus *read_tensor(const OrtValue *value, struct tensor *out);
OrtStatus *input_tensor(const OrtKernelContext *context, size_t index, struct tensor *out);
OrtStatus *output_tensor(OrtKernelContext *context, size_t index, const int64_t *shape, size_t rank, void **data);
size_t elements_of(const struct tensor *tensor);

// A status with a message made like printf's.
OrtStatus *failure(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Returns from the function when a call failed.
#define TRY(call)                   \
  do {                              \
    OrtStatus *status = (call);     \
    if (status) return status;      \
  } while (0)

// The attribute, or `otherwise` where it is absent.
int64_t integer_attribute(const OrtKernelInfo *info, const char *name, int64_t otherwise);
float float_attribute(const OrtKernelInfo *info, const char *name, float otherwise);

// What the processor computes with; set before any kernel is made.
extern const struct compute *compute;

struct operator linear_operator(void);
struct operator attention_operator(int cache_type);
struct operator candidates_operator(void);

#endif
