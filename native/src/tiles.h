// Products of tiles of sixteen outputs and groups of rows, and what follows a product: bias, residual, SwiGLU. A row goes
// through the same operations in the same order in any group.

// The tiles of a part follow each other in memory, which delivers more when it is asked early. The first group of rows asks;
// the others find the tile in the cache.
enum { PREFETCH_BYTES = 4096 };

INLINE void product(int rows, int bits, bool minimums, const struct tile *tile, const struct linear_call *call,
                    size_t row, lanes *out) {
  size_t blocks = call->columns / BLOCK, at = row * blocks;
  const int8_t *codes = call->rounded.codes + at * BLOCK;
  const float *scales = call->rounded.scales + at, *scaled_sums = call->rounded.scaled_sums + at;
  const int32_t *code_sums = call->rounded.sums + at;
  const bool ahead = row % ROW_CHUNK == 0;
  const uint8_t *weights = tile->weights;
  const bool halves = tile->halves;
  lanes sums[ROWS];
  for (int r = 0; r < rows; r++) sums[r] = lanes_set(0);
  for (size_t block = 0; block < blocks; block++) {
    ints dots[ROWS];
    for (int r = 0; r < rows; r++) dots[r] = ints_set(minimums ? 0 : -tile->centre * code_sums[r]);
    if (bits == 4) dot4(rows, weights, codes, dots);
    else dot8(rows, weights, codes, dots);
    if (ahead)
      for (int line = 0; line <= bits; line++) __builtin_prefetch(weights + PREFETCH_BYTES + line * 64);
    weights += bits * 64;
    lanes scale, minimum;
    if (halves) {
      scale = lanes_load_half((const uint16_t *)weights), weights += 32;
      if (minimums) minimum = lanes_load_half((const uint16_t *)weights), weights += 32;
    } else {
      scale = lanes_load((const float *)weights), weights += 64;
      if (minimums) minimum = lanes_load((const float *)weights), weights += 64;
    }
    for (int r = 0; r < rows; r++) {
      sums[r] = lanes_fma(ints_to_lanes(dots[r]), lanes_mul(scale, lanes_set(scales[r])), sums[r]);
      if (minimums) sums[r] = lanes_fma(minimum, lanes_set(scaled_sums[r]), sums[r]);
    }
    codes += rows * BLOCK, scales += rows, scaled_sums += rows, code_sums += rows;
  }
  for (int r = 0; r < rows; r++) out[r] = tile->bias ? lanes_add(sums[r], lanes_load(tile->bias)) : sums[r];
}

#define PRODUCTS(rows)                                                                                 \
  static void products##rows(const struct tile *tile, const struct linear_call *call, size_t row, lanes *out) { \
    if (tile->bits == 4) {                                                                             \
      if (tile->minimums) product(rows, 4, true, tile, call, row, out);                                \
      else product(rows, 4, false, tile, call, row, out);                                              \
    } else {                                                                                           \
      if (tile->minimums) product(rows, 8, true, tile, call, row, out);                                \
      else product(rows, 8, false, tile, call, row, out);                                              \
    }                                                                                                  \
  }

typedef void products(const struct tile *tile, const struct linear_call *call, size_t row, lanes *out);
PRODUCTS(1)
#if ROWS >= 4
PRODUCTS(2)
PRODUCTS(3)
PRODUCTS(4)
#endif
#if ROWS >= 8
PRODUCTS(5)
PRODUCTS(6)
PRODUCTS(7)
PRODUCTS(8)
#endif
#if ROWS >= 10
PRODUCTS(9)
PRODUCTS(10)
#endif
static products *const products_of[] = {
    products1,
#if ROWS >= 4
    products2, products3, products4,
#endif
#if ROWS >= 8
    products5, products6, products7, products8,
#endif
#if ROWS >= 10
    products9, products10,
#endif
};

static inline lanes swiglu(lanes gate, lanes up) {
  lanes one = lanes_set(1), negative = lanes_sub(lanes_set(0), gate);
  return lanes_mul(lanes_div(gate, lanes_add(one, lanes_exp(negative))), up);
}

static void finish(const struct linear_call *call, const struct tile *tile, size_t row, lanes result) {
  size_t at = row * call->width + (size_t)tile->column, bytes = (size_t)tile->count * sizeof(float);
  if (tile->count == LANES) {
    if (call->residual) result = lanes_add(result, lanes_load(call->residual + at));
    lanes_store(call->y + at, result);
    return;
  }
  float part[LANES] = {0};
  if (call->residual) {
    memcpy(part, call->residual + at, bytes);
    result = lanes_add(result, lanes_load(part));
  }
  lanes_store(part, result);
  memcpy(call->y + at, part, bytes);
}

// Units [part of the parts] for a chunk of rows, which stays in the cache meanwhile.
static void linear_part(const struct linear_call *call, size_t number) {
  size_t part = number % call->parts, chunk = number / call->parts * ROW_CHUNK;
  size_t end = call->rows - chunk < ROW_CHUNK ? call->rows : chunk + ROW_CHUNK;
  for (size_t unit = call->units * part / call->parts; unit < call->units * (part + 1) / call->parts; unit++) {
    const struct tile *tile = call->tiles + (call->swiglu ? 2 * unit : unit);
    for (size_t row = chunk, rows; row < end; row += rows) {
      rows = group_of(call->rows, row).rows;
      lanes results[ROWS], ups[ROWS];
      products_of[rows - 1](tile, call, row, results);
      if (call->swiglu) products_of[rows - 1](tile + 1, call, row, ups);
      for (size_t r = 0; r < rows; r++)
        finish(call, tile, row + r, call->swiglu ? swiglu(results[r], ups[r]) : results[r]);
    }
  }
}
