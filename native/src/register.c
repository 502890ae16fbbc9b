// What the shared library exports: registration of the operators, and the name of the instruction set in use.
#include <stdlib.h>

#include "instruction-set.h"
#include "operator.h"

#ifdef _WIN32
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

EXPORT const char *magdi_kernels(void);
EXPORT OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base);

static const struct compute *chosen(void) {
  const char *name = getenv("MAGDI_KERNELS");
  return choose_set(name && *name ? name : NULL);
}

// Empty when MAGDI_KERNELS names one that the processor lacks.
const char *magdi_kernels(void) {
  const struct compute *set = compute ? compute : chosen();
  return set ? set->name : "";
}

OrtStatus *RegisterCustomOps(OrtSessionOptions *options, const OrtApiBase *base) {
  static struct operator operators[4];
  ort_api = base->GetApi(ORT_API_VERSION);
  if (!compute) compute = chosen();
  if (!compute)
    return failure(ORT_INVALID_ARGUMENT,
                   "MAGDI_KERNELS: expected an instruction set that this processor has, the fastest is %s; found %s",
                   choose_set(NULL)->name, getenv("MAGDI_KERNELS"));
  operators[0] = linear_operator();
  operators[1] = attention_operator(TYPE_FLOAT);
  operators[2] = attention_operator(TYPE_FLOAT16);
  operators[3] = candidates_operator();
  OrtCustomOpDomain *domain;
  TRY(CreateCustomOpDomain("magdi", &domain));
  for (int i = 0; i < 4; i++) TRY(CustomOpDomain_Add(domain, &operators[i].op));
  return AddCustomOpDomain(options, domain);
}
