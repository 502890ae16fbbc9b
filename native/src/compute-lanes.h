// The functions of one instruction set, over its lanes (lanes_…, ints_…) and its integer products (dot4, dot8): included
// once by each, after ROWS, the most rows that share a weight, WIDTH and NAME.
#ifndef INLINE
#define INLINE static inline __attribute__((always_inline))
#endif

#include "exponential.h"
#include "rounding.h"
#include "tiles.h"
#include "heads.h"
#include "best.h"

#define JOIN(a, b) a##b
#define COMPUTE(name) JOIN(compute_, name)
#define TEXT(name) #name
#define NAME_OF(name) TEXT(name)

const struct compute COMPUTE(NAME) = {NAME_OF(NAME), round_row, linear_part, write_keys, attend, find_candidates};
