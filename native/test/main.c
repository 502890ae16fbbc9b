// Checks an instruction set against plain C, or plain C against double precision; without an argument prints the names of
// those that this processor has. The seed is fixed.
#include "check.h"

const struct compute *tested;

int main(int count, char **arguments) {
  if (count < 2) {
    for (const struct compute *const *set = available_sets(); *set; set++) printf("%s\n", (*set)->name);
    return 0;
  }
  tested = choose_set(arguments[1]);
  EXPECT(tested, "this processor has no %s", arguments[1]);
  if (tested == &compute_plain) check_arithmetic(), check_weight_memory();
  check_linear();
  check_attention();
  check_candidates();
  return 0;
}
