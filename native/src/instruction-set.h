// Which instruction sets this processor has.
#ifndef MAGDI_INSTRUCTION_SET_H
#define MAGDI_INSTRUCTION_SET_H

#include "compute.h"

// The available ones, the fastest first and plain C last; null after the end.
const struct compute *const *available_sets(void);

// The named one, or the fastest for null; null when the processor lacks it or there is none of that name.
const struct compute *choose_set(const char *name);

#endif
