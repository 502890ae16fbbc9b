// What ONNX Runtime's reductions call of cuDNN, without a device: nothing is computed.

#include <stddef.h>

#define NOTHING(name) int name(void) { return 0; }
#define HANDLE(name) int name(void **out) { static long some[64]; *out = some; return 0; }
#define BYTES(name) int name(void *a, void *b, void *c, void *d, size_t *out) { (void)a, (void)b, (void)c, (void)d; *out = 256; return 0; }

size_t cudnnGetVersion(void) { return 92000; }
const char *cudnnGetErrorString(int status) { (void)status; return "no device"; }
HANDLE(cudnnCreate) HANDLE(cudnnCreateTensorDescriptor) HANDLE(cudnnCreateReduceTensorDescriptor)
BYTES(cudnnGetReductionWorkspaceSize) BYTES(cudnnGetReductionIndicesSize)
NOTHING(cudnnDestroy) NOTHING(cudnnSetStream) NOTHING(cudnnSetTensor4dDescriptor) NOTHING(cudnnSetTensorNdDescriptor)
NOTHING(cudnnDestroyTensorDescriptor) NOTHING(cudnnSetReduceTensorDescriptor)
NOTHING(cudnnDestroyReduceTensorDescriptor) NOTHING(cudnnReduceTensor)
