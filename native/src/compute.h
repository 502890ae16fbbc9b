// What an instruction set computes for the operators: the records that they share, and the table of functions that each
// instruction set fills. It does not know ONNX Runtime.
#ifndef MAGDI_COMPUTE_H
#define MAGDI_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
static inline float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

enum { LANES = 16, BLOCK = 32, ROW_CHUNK = 128 };

// Sixteen outputs' packed weights (see packing.h), block after block.
struct tile {
  const uint8_t *weights;
  const float *bias;  // LANES floats, or null
  int32_t column;     // of its first output in the result
  int32_t count;      // outputs, the others are padding
  int32_t centre;     // the code of 0 where there are no minimums
  uint8_t bits;       // 4 or 8
  bool minimums;
  bool halves;  // scales and minimums are float16
};

// The activations of a call, rounded in blocks of 32. Rows of a group, which share each weight, lie block by block: after
// those of all groups before, [blocks, rows of the group] blocks.
struct rounded {
  int8_t *codes;        // 32 a block
  float *scales;
  float *scaled_sums;   // scale · Σ codes
  int32_t *sums;        // Σ codes
};

struct linear_call {
  const float *x;         // [rows, columns]
  const float *norm;      // [columns], or null
  const float *residual;  // [rows, width], or null
  float *y;               // [rows, width]
  const struct tile *tiles;
  struct rounded rounded;
  size_t rows, columns, width;
  size_t units;  // tiles, or pairs of a gate tile and an up tile with swiglu
  size_t parts;  // that the units are divided into
  float epsilon;
  bool swiglu;
};

struct attention_call {
  const float *qkv;                       // [batch, steps, (heads + 2·kv_heads)·size]
  void *keys, *values;                    // [batch, kv_heads, capacity, size]
  const int32_t *lengths;                 // [batch]: tokens after the step, minus one
  const float *cosine, *sine;             // [positions, size/2]
  const float *query_norm, *key_norm;     // [size], or null
  float *out;                             // [batch, steps, heads·size]
  size_t batch, steps, heads, kv_heads, size, capacity;
  size_t window;       // positions that one sees, itself among them; 0 for all
  size_t block_steps;  // positions in a block of queries
  float epsilon;
  bool halves;  // the cache is float16
  _Atomic bool failed;  // no memory
};

struct candidates_call {
  const float *logits;  // [batch, vocabulary]
  float *best;          // [batch, count]
  int64_t *ids;         // [batch, count]
  float *log_sums;      // [batch]
  size_t vocabulary, count;
};

// The functions take a call and the number of a unit of work; units of one call may run at the same time.
struct compute {
  const char *name;
  void (*round_row)(const struct linear_call *call, size_t row);
  void (*linear_part)(const struct linear_call *call, size_t part);
  void (*write_keys)(struct attention_call *call, size_t unit);
  void (*attend)(struct attention_call *call, size_t unit);
  void (*find_candidates)(const struct candidates_call *call, size_t row);
};

extern const struct compute compute_plain;
#if defined(__x86_64__)
extern const struct compute compute_avx2, compute_avxvnni, compute_avx512vnni;
#elif defined(__aarch64__)
extern const struct compute compute_neon;
#endif

#endif
