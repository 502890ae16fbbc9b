// Asks the processor, and the system whether it keeps the registers.
#include "instruction-set.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

enum { MOST_SETS = 5 };

#if defined(__x86_64__)
static unsigned saved_registers(void) {
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static bool has(unsigned value, int bit) { return value >> bit & 1; }
#endif

const struct compute *const *available_sets(void) {
  static const struct compute *sets[MOST_SETS + 1];
  // Filled alike by whichever thread comes first.
  int count = 0;
#if defined(__x86_64__)
  unsigned a, b, c, d, b7 = 0, c7 = 0, a71 = 0, most = __get_cpuid_max(0, 0);
  if (most >= 7 && __get_cpuid(1, &a, &b, &c, &d) && has(c, 27)) {
    bool fma_f16c = has(c, 12) && has(c, 29);
    unsigned saved = saved_registers(), most7;
    __cpuid_count(7, 0, most7, b7, c7, d);
    if (most7 >= 1) __cpuid_count(7, 1, a71, b, c, d);
    bool avx2 = fma_f16c && has(b7, 5) && (saved & 6) == 6;
    // F, DQ, BW, VL and VNNI.
    bool avx512 = avx2 && (saved & 0xe6) == 0xe6 && has(b7, 16) && has(b7, 17) && has(b7, 30) && has(b7, 31) && has(c7, 11);
    if (avx512) sets[count++] = &compute_avx512vnni;
    if (avx2 && has(a71, 4)) sets[count++] = &compute_avxvnni;
    if (avx2) sets[count++] = &compute_avx2;
  }
#elif defined(__aarch64__)
#if defined(__APPLE__)
  sets[count++] = &compute_neon;
#elif defined(__linux__)
  if (getauxval(AT_HWCAP) >> 20 & 1) sets[count++] = &compute_neon;  // HWCAP_ASIMDDP
#endif
#endif
  sets[count] = &compute_plain;
  return sets;
}

const struct compute *choose_set(const char *name) {
  for (const struct compute *const *set = available_sets(); *set; set++)
    if (!name || strcmp((*set)->name, name) == 0) return *set;
  return NULL;
}
