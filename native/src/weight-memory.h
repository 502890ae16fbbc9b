// Memory for packed weights. A step reads all of them, and with pages of 4 KiB the processor spends as long on finding the
// pages as on reading: on Linux the pieces of all operators lie together in regions of huge pages.
#ifndef MAGDI_WEIGHT_MEMORY_H
#define MAGDI_WEIGHT_MEMORY_H

#include <stddef.h>

// Aligned to 64 bytes; null when there is no memory. To be freed by free_weight_memory. Any thread may call.
void *allocate_weight_memory(size_t bytes);
void free_weight_memory(void *memory);

#endif
