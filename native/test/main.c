// Runs every instruction set that this processor has against plain C, and plain C against double precision. The seed is
// fixed. Prints one line a subject and one that names the instruction sets.
#include "check.h"

int main(void) {
  check_arithmetic();
  check_linear();
  check_attention();
  check_candidates();
  printf("instruction sets:");
  for (const struct compute *const *set = available_sets(); *set; set++) printf(" %s", (*set)->name);
  printf("\n");
  return 0;
}
