// Weights packed for the products: sixteen outputs a tile, block after block. A block has 64 bytes for each group of four
// columns (8 bits) or two groups (4 bits: columns 4g… in the low nibbles, 16 + 4g… in the high ones), in which byte 4j + t
// belongs to output j and column t of the group; then 16 scales and, where the source has them, 16 minimums.
#ifndef MAGDI_PACKING_H
#define MAGDI_PACKING_H

#include "compute.h"

// One weight matrix [rows, blocks·32] as it is stored.
struct source {
  const uint8_t *codes;         // [rows, blocks, bits·4]
  const void *scales, *minimums;  // [rows, blocks]; minimums may be null
  bool scale_halves, minimum_halves;  // float16, else float32
  int bits;
  int32_t centre;
  size_t rows, blocks;
};

struct packed {
  struct tile *tiles;
  size_t tile_count;
  void *memory;  // of the weights and biases
};

// The rows of all sources as one matrix, its tiles in the order of the outputs, or with swiglu a tile of the first half
// before that of the second. Returns false when there is no memory.
bool pack(const struct source *sources, size_t count, const float *bias, bool swiglu, struct packed *out);
void free_packed(struct packed *packed);

// Tells the system that these bytes are not needed soon, so that weights do not stay resident beside their packed copies.
// They keep their values.
void leave_memory(const void *start, size_t bytes);

#endif
