// CUDA 13's runtime, cuBLAS and cuDNN without a device: memory is the host's, copies are counted, and kernels compute
// nothing. With it the real CUDA provider of ONNX Runtime opens sessions, places nodes, allocates, copies and launches;
// only numbers are not to be had. Types are narrowed to what a call passes: pointers, sizes and ints.

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define NOTHING(name) int name(void) { return 0; }
#define HANDLE(name) int name(void **out) { static long some[64]; *out = some; return 0; }

/* Bytes by cudaMemcpyKind: to host from host, to the device, to the host, within the device. */
static long copied_bytes[5];
long cudaCopiedBytes(int kind) { return __atomic_load_n(&copied_bytes[kind], __ATOMIC_SEQ_CST); }

static int copy(void *to, const void *from, size_t bytes, int kind) {
  memmove(to, from, bytes);
  __atomic_fetch_add(&copied_bytes[kind], (long)bytes, __ATOMIC_SEQ_CST);
  return 0;
}
int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) { return copy(to, from, bytes, kind); }
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) {
  (void)stream;
  return copy(to, from, bytes, kind);
}
int cudaMemset(void *at, int value, size_t bytes) { memset(at, value, bytes); return 0; }
int cudaMemsetAsync(void *at, int value, size_t bytes, void *stream) { (void)stream; memset(at, value, bytes); return 0; }

static int take(void **out, size_t bytes) {
  const int out_of_memory = 2;
  if (posix_memalign(out, 256, bytes + 256) != 0) return out_of_memory;
  memset(*out, 0, bytes);
  return 0;
}
int cudaMalloc(void **out, size_t bytes) { return take(out, bytes); }
int cudaMallocHost(void **out, size_t bytes) { return take(out, bytes); }
int cudaHostAlloc(void **out, size_t bytes, unsigned flags) { (void)flags; return take(out, bytes); }
int cudaMallocFromPoolAsync(void **out, size_t bytes) { return take(out, bytes); }
int cudaFree(void *memory) { free(memory); return 0; }
int cudaFreeHost(void *memory) { free(memory); return 0; }
int cudaFreeAsync(void *memory) { free(memory); return 0; }
int cudaMemGetInfo(size_t *available, size_t *total) { *available = *total = (size_t)8 << 30; return 0; }

int cudaGetDeviceCount(int *count) { *count = 1; return 0; }
int cudaGetDevice(int *device) { *device = 0; return 0; }
int cudaDriverGetVersion(int *version) { *version = 13000; return 0; }
int cudaRuntimeGetVersion(int *version) { *version = 13000; return 0; }
/* cudaDeviceProp of CUDA 13, at the places of its fields: a Hopper with 132 multiprocessors. */
int cudaGetDeviceProperties(char *out) {
  memset(out, 0, 1008);
  *(size_t *)(out + 288) = (size_t)8 << 30; /* totalGlobalMem */
  *(size_t *)(out + 296) = 49152;           /* sharedMemPerBlock */
  *(int *)(out + 304) = 65536;              /* regsPerBlock */
  *(int *)(out + 308) = 32;                 /* warpSize */
  *(int *)(out + 320) = 1024;               /* maxThreadsPerBlock */
  *(int *)(out + 360) = 9;                  /* major */
  *(int *)(out + 384) = 132;                /* multiProcessorCount */
  *(int *)(out + 604) = 2048;               /* maxThreadsPerMultiProcessor */
  *(size_t *)(out + 624) = 233472;          /* sharedMemPerMultiprocessor */
  *(size_t *)(out + 672) = 232448;          /* sharedMemPerBlockOptin */
  return 0;
}
int cudaDeviceGetAttribute(int *value, int attribute) {
  switch (attribute) {
    case 1: *value = 1024; break;    /* MaxThreadsPerBlock */
    case 8: *value = 49152; break;   /* MaxSharedMemoryPerBlock */
    case 10: *value = 32; break;     /* WarpSize */
    case 16: *value = 132; break;    /* MultiProcessorCount */
    case 39: *value = 2048; break;   /* MaxThreadsPerMultiProcessor */
    case 75: *value = 9; break;      /* ComputeCapabilityMajor */
    case 76: *value = 0; break;      /* ComputeCapabilityMinor */
    case 81: *value = 233472; break; /* MaxSharedMemoryPerMultiprocessor */
    case 97: *value = 232448; break; /* MaxSharedMemoryPerBlockOptin */
    default: *value = 1;
  }
  return 0;
}
int cudaPointerGetAttributes(char *out, const void *pointer) {
  memset(out, 0, 88);
  *(int *)out = 2; /* cudaMemoryTypeDevice */
  (void)pointer;
  return 0;
}
int cudaFuncGetAttributes(char *out) {
  memset(out, 0, 64);
  *(int *)(out + 24) = 1024; /* maxThreadsPerBlock */
  *(int *)(out + 28) = 32;   /* numRegs */
  *(int *)(out + 32) = 90;   /* ptxVersion */
  *(int *)(out + 36) = 90;   /* binaryVersion */
  return 0;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks) { *blocks = 2; return 0; }
int cudaStreamIsCapturing(void *stream, int *status) { (void)stream; *status = 0; return 0; }
int cudaEventElapsedTime(float *ms) { *ms = 1; return 0; }
int cudaGetDriverEntryPointByVersion(const char *name, void **entry) { (void)name; *entry = NULL; return 999; }
const char *cudaGetErrorString(int error) { (void)error; return "no device"; }
const char *cudaGetErrorName(int error) { (void)error; return "no device"; }
const char *cublasGetStatusName(int status) { (void)status; return "no device"; }
const char *cublasGetStatusString(int status) { (void)status; return "no device"; }
int cublasGetMathMode(void *handle, int *mode) { (void)handle; *mode = 0; return 0; }
int cublasLtMatmulAlgoGetHeuristic(void *a, void *b, void *c, void *d, void *e, void *f, void *g, int wanted, char *out, int *count) {
  (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)wanted;
  memset(out, 0, 96);
  *count = 1;
  return 0;
}

/* A kernel is told by its host function, and launched with a configuration that was pushed just before. */
void **__cudaRegisterFatBinary(void *binary) { static void *handle[8]; (void)binary; return handle; }
int __cudaGetKernel(const void **kernel, const void *function) { *kernel = function; return 0; }
struct dimensions { unsigned x, y, z; };
static __thread struct { struct dimensions grid, block; size_t shared; void *stream; } pushed;
unsigned __cudaPushCallConfiguration(struct dimensions grid, struct dimensions block, size_t shared, void *stream) {
  pushed.grid = grid;
  pushed.block = block;
  pushed.shared = shared;
  pushed.stream = stream;
  return 0;
}
int __cudaPopCallConfiguration(struct dimensions *grid, struct dimensions *block, size_t *shared, void **stream) {
  *grid = pushed.grid;
  *block = pushed.block;
  *shared = pushed.shared;
  *stream = pushed.stream;
  return 0;
}

HANDLE(cudaStreamCreate) HANDLE(cudaStreamCreateWithFlags) HANDLE(cudaEventCreate) HANDLE(cudaEventCreateWithFlags)
HANDLE(cudaMemPoolCreate) HANDLE(cublasCreate_v2) HANDLE(cublasLtCreate) HANDLE(cublasLtMatmulDescCreate)
HANDLE(cublasLtMatmulPreferenceCreate) HANDLE(cublasLtMatrixLayoutCreate) HANDLE(cublasLtMatrixTransformDescCreate)

NOTHING(__cudaLaunchKernel) NOTHING(__cudaRegisterFatBinaryEnd) NOTHING(__cudaRegisterFunction)
NOTHING(__cudaRegisterVar) NOTHING(__cudaUnregisterFatBinary) NOTHING(cuTensorMapEncodeTiled)
NOTHING(cublasDcopy_v2) NOTHING(cublasDestroy_v2) NOTHING(cublasDgeam) NOTHING(cublasDgemmBatched)
NOTHING(cublasDgemmStridedBatched) NOTHING(cublasDgemm_v2) NOTHING(cublasDgetrfBatched)
NOTHING(cublasDgetriBatched) NOTHING(cublasGemmBatchedEx) NOTHING(cublasGemmEx)
NOTHING(cublasGemmStridedBatchedEx) NOTHING(cublasLtDestroy) NOTHING(cublasLtMatmul)
NOTHING(cublasLtMatmulAlgoConfigSetAttribute) NOTHING(cublasLtMatmulAlgoInit) NOTHING(cublasLtMatmulDescDestroy)
NOTHING(cublasLtMatmulDescSetAttribute) NOTHING(cublasLtMatmulPreferenceDestroy)
NOTHING(cublasLtMatmulPreferenceSetAttribute) NOTHING(cublasLtMatrixLayoutDestroy)
NOTHING(cublasLtMatrixLayoutSetAttribute) NOTHING(cublasLtMatrixTransform)
NOTHING(cublasLtMatrixTransformDescDestroy) NOTHING(cublasScopy_v2) NOTHING(cublasSetMathMode)
NOTHING(cublasSetStream_v2) NOTHING(cublasSgeam) NOTHING(cublasSgemmBatched) NOTHING(cublasSgemmStridedBatched)
NOTHING(cublasSgemm_v2) NOTHING(cublasSgetrfBatched) NOTHING(cublasSgetriBatched) NOTHING(cublasSscal_v2)
NOTHING(cudaDeviceSynchronize) NOTHING(cudaEventDestroy) NOTHING(cudaEventRecord) NOTHING(cudaEventSynchronize)
NOTHING(cudaFuncSetAttribute) NOTHING(cudaGetLastError) NOTHING(cudaGraphDestroy) NOTHING(cudaGraphExecDestroy)
NOTHING(cudaGraphInstantiate) NOTHING(cudaGraphLaunch) NOTHING(cudaKernelSetAttributeForDevice)
NOTHING(cudaLaunchCooperativeKernel) NOTHING(cudaLaunchHostFunc) NOTHING(cudaLaunchKernel)
NOTHING(cudaLaunchKernelExC) NOTHING(cudaLibraryGetKernel) NOTHING(cudaLibraryLoadData) NOTHING(cudaLibraryUnload)
NOTHING(cudaMemPoolDestroy) NOTHING(cudaMemPoolGetAttribute) NOTHING(cudaMemPoolSetAttribute)
NOTHING(cudaMemPoolTrimTo) NOTHING(cudaMemcpy2DAsync) NOTHING(cudaMemcpyFromSymbol) NOTHING(cudaPeekAtLastError)
NOTHING(cudaSetDevice) NOTHING(cudaStreamBeginCapture) NOTHING(cudaStreamDestroy) NOTHING(cudaStreamEndCapture)
NOTHING(cudaStreamSynchronize) NOTHING(cudaStreamWaitEvent)
