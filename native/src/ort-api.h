// The part of ONNX Runtime's C API that the operators call, by position in struct OrtApi (each release only adds functions
// at its end), and the record by which an operator is registered.
#ifndef MAGDI_ORT_API_H
#define MAGDI_ORT_API_H

#include <stddef.h>
#include <stdint.h>

typedef struct OrtStatus OrtStatus;
typedef struct OrtValue OrtValue;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtShapeInferContext OrtShapeInferContext;
typedef void *const OrtApi;  // functions, by position

typedef struct {
  const OrtApi *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} OrtApiBase;

// Release 1.N has versions 1 to N. The last function called here came with version 16.
enum { ORT_API_VERSION = 16 };
enum { ORT_FAIL = 1, ORT_INVALID_ARGUMENT = 2 };
enum { TYPE_ANY = 0, TYPE_FLOAT = 1, TYPE_UINT8 = 2, TYPE_INT32 = 6, TYPE_INT64 = 7, TYPE_FLOAT16 = 10 };
enum { REQUIRED = 0, OPTIONAL = 1 };

extern const OrtApi *ort_api;

#define ORT_FUNCTION(name, position, result, parameters, arguments) \
  static inline result name parameters { return ((result(*) parameters)ort_api[position]) arguments; }

ORT_FUNCTION(CreateStatus, 0, OrtStatus *, (int code, const char *message), (code, message))
ORT_FUNCTION(CreateCustomOpDomain, 26, OrtStatus *, (const char *name, OrtCustomOpDomain **out), (name, out))
ORT_FUNCTION(CustomOpDomain_Add, 27, OrtStatus *, (OrtCustomOpDomain *domain, const void *op), (domain, op))
ORT_FUNCTION(AddCustomOpDomain, 28, OrtStatus *, (OrtSessionOptions *options, OrtCustomOpDomain *domain),
             (options, domain))
ORT_FUNCTION(GetTensorMutableData, 51, OrtStatus *, (OrtValue *value, void **out), (value, out))
ORT_FUNCTION(GetTensorElementType, 60, OrtStatus *, (const OrtTensorTypeAndShapeInfo *info, int *out), (info, out))
ORT_FUNCTION(GetDimensionsCount, 61, OrtStatus *, (const OrtTensorTypeAndShapeInfo *info, size_t *out), (info, out))
ORT_FUNCTION(GetDimensions, 62, OrtStatus *, (const OrtTensorTypeAndShapeInfo *info, int64_t *out, size_t count),
             (info, out, count))
ORT_FUNCTION(GetTensorTypeAndShape, 65, OrtStatus *, (const OrtValue *value, OrtTensorTypeAndShapeInfo **out),
             (value, out))
ORT_FUNCTION(KernelInfoGetAttribute_float, 85, OrtStatus *, (const OrtKernelInfo *info, const char *name, float *out),
             (info, name, out))
ORT_FUNCTION(KernelInfoGetAttribute_int64, 86, OrtStatus *, (const OrtKernelInfo *info, const char *name, int64_t *out),
             (info, name, out))
ORT_FUNCTION(KernelContext_GetInput, 90, OrtStatus *,
             (const OrtKernelContext *context, size_t index, const OrtValue **out), (context, index, out))
ORT_FUNCTION(KernelContext_GetOutput, 91, OrtStatus *,
             (OrtKernelContext *context, size_t index, const int64_t *shape, size_t rank, OrtValue **out),
             (context, index, shape, rank, out))
ORT_FUNCTION(ReleaseStatus, 93, void, (OrtStatus * status), (status))
ORT_FUNCTION(ReleaseTensorTypeAndShapeInfo, 99, void, (OrtTensorTypeAndShapeInfo * info), (info))
ORT_FUNCTION(KernelInfoGetAttributeArray_int64, 163, OrtStatus *,
             (const OrtKernelInfo *info, const char *name, int64_t *out, size_t *size), (info, name, out, size))
ORT_FUNCTION(KernelInfo_GetInputCount, 230, OrtStatus *, (const OrtKernelInfo *info, size_t *out), (info, out))
ORT_FUNCTION(KernelInfoGetConstantInput_tensor, 249, OrtStatus *,
             (const OrtKernelInfo *info, size_t index, int *constant, const OrtValue **out), (info, index, constant, out))
ORT_FUNCTION(KernelContext_ParallelFor, 274, OrtStatus *,
             (const OrtKernelContext *context, void (*unit)(void *, size_t), size_t total, size_t batches, void *data),
             (context, unit, total, batches, data))

typedef struct OrtCustomOp OrtCustomOp;
struct OrtCustomOp {
  uint32_t version;
  void *(*CreateKernel)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *);
  const char *(*GetName)(const OrtCustomOp *);
  const char *(*GetExecutionProviderType)(const OrtCustomOp *);
  int (*GetInputType)(const OrtCustomOp *, size_t);
  size_t (*GetInputTypeCount)(const OrtCustomOp *);
  int (*GetOutputType)(const OrtCustomOp *, size_t);
  size_t (*GetOutputTypeCount)(const OrtCustomOp *);
  void (*KernelCompute)(void *, OrtKernelContext *);
  void (*KernelDestroy)(void *);
  int (*GetInputCharacteristic)(const OrtCustomOp *, size_t);
  int (*GetOutputCharacteristic)(const OrtCustomOp *, size_t);
  int (*GetInputMemoryType)(const OrtCustomOp *, size_t);
  int (*GetVariadicInputMinArity)(const OrtCustomOp *);
  int (*GetVariadicInputHomogeneity)(const OrtCustomOp *);
  int (*GetVariadicOutputMinArity)(const OrtCustomOp *);
  int (*GetVariadicOutputHomogeneity)(const OrtCustomOp *);
  OrtStatus *(*CreateKernelV2)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *, void **);
  OrtStatus *(*KernelComputeV2)(void *, OrtKernelContext *);
  OrtStatus *(*InferOutputShapeFn)(const OrtCustomOp *, OrtShapeInferContext *);
  int (*GetStartVersion)(const OrtCustomOp *);
  int (*GetEndVersion)(const OrtCustomOp *);
  size_t (*GetMayInplace)(int **, int **);
  void (*ReleaseMayInplace)(int *, int *);
  size_t (*GetAliasMap)(int **, int **);
  void (*ReleaseAliasMap)(int *, int *);
};

#endif
