// Memory for weights: aligned, apart from each other, and taken and given back in any order.
#include "../src/weight-memory.h"

#include "check.h"

enum { PIECES = 64 };

void check_weight_memory(void) {
  unsigned char *pieces[PIECES] = {0};
  size_t bytes[PIECES];
  for (int round = 0; round < 400; round++) {
    size_t at = random_below(PIECES);
    if (pieces[at]) {
      unsigned char mark = (unsigned char)(at + 1);
      EXPECT(pieces[at][0] == mark && pieces[at][bytes[at] / 2] == mark && pieces[at][bytes[at] - 1] == mark,
             "piece %zu of %zu bytes was written over", at, bytes[at]);
      free_weight_memory(pieces[at]);
      pieces[at] = NULL;
      continue;
    }
    // Now and then more than a region holds.
    bytes[at] = 1 + random_below(random_below(40) ? 3 << 20 : 80 << 20);
    pieces[at] = allocate_weight_memory(bytes[at]);
    EXPECT(pieces[at] && (uintptr_t)pieces[at] % 64 == 0, "piece %zu of %zu bytes at %p", at, bytes[at], (void *)pieces[at]);
    memset(pieces[at], (int)at + 1, bytes[at]);
  }
  for (size_t at = 0; at < PIECES; at++) free_weight_memory(pieces[at]);
  free_weight_memory(NULL);
}
