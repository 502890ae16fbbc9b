// Attention of a block of queries over one key head's cache, in which keys lie in tiles of sixteen positions, dimension by
// dimension, and values by position. A query's numbers do not depend on the others of its block.
#include "scratch.h"

// The largest size of a head.
enum { MAX_SIZE = 256 };

// Positions whose keys or values stay in the cache while all queries of a block pass over them.
enum { POSITIONS = 128 };

struct span { size_t from, to; };

static inline size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t larger(size_t a, size_t b) { return a > b ? a : b; }

INLINE lanes load_cached(const void *cache, size_t at, bool halves) {
  return halves ? lanes_load_half((const uint16_t *)cache + at) : lanes_load((const float *)cache + at);
}

// Norm where there is one, then the rotation by the position's angles: dimension i with i + size/2.
static void rotate(const struct attention_call *call, const float *x, const float *norm, size_t position, float *out) {
  size_t half = call->size / 2;
  const float *cosine = call->cosine + position * half, *sine = call->sine + position * half;
  float normed[MAX_SIZE];
  if (norm) {
    lanes factor = lanes_set(root_mean_square_inverse(x, call->size, call->epsilon));
    for (size_t i = 0; i < call->size; i += LANES)
      lanes_store(normed + i, lanes_mul(lanes_mul(lanes_load(x + i), factor), lanes_load(norm + i)));
    x = normed;
  }
  for (size_t i = 0; i < half; i++) {
    out[i] = x[i] * cosine[i] - x[i + half] * sine[i];
    out[i + half] = x[i + half] * cosine[i] + x[i] * sine[i];
  }
}

struct block {
  size_t row, head, first_step, end_step, first_position;
  void *keys, *values;  // of the row and key head
};

static struct block block_of(const struct attention_call *call, size_t unit) {
  size_t blocks = (call->steps + call->block_steps - 1) / call->block_steps;
  // The last blocks see the most positions, and go first.
  size_t place = blocks - 1 - unit % blocks, head = unit / blocks % call->kv_heads, row = unit / blocks / call->kv_heads;
  size_t offset = (row * call->kv_heads + head) * call->capacity * call->size * (call->halves ? 2 : 4);
  return (struct block){
      .row = row,
      .head = head,
      .first_step = place * call->block_steps,
      .end_step = smaller((place + 1) * call->block_steps, call->steps),
      .first_position = (size_t)(call->lengths[row] + 1) - call->steps,
      .keys = (char *)call->keys + offset,
      .values = (char *)call->values + offset,
  };
}

static void write_keys(struct attention_call *call, size_t unit) {
  struct block block = block_of(call, unit);
  size_t size = call->size, width = (call->heads + 2 * call->kv_heads) * size;
  for (size_t step = block.first_step; step < block.end_step; step++) {
    size_t position = block.first_position + step, tile = (position / LANES * size) * LANES + position % LANES;
    const float *key = call->qkv + (block.row * call->steps + step) * width + (call->heads + block.head) * size;
    const float *value = key + call->kv_heads * size;
    float rotated[MAX_SIZE];
    rotate(call, key, call->key_norm, position, rotated);
    if (call->halves) {
      uint16_t rounded[MAX_SIZE], *keys = block.keys, *values = block.values;
      for (size_t i = 0; i < size; i += LANES) {
        lanes_store_half(rounded + i, lanes_load(rotated + i));
        lanes_store_half(values + position * size + i, lanes_load(value + i));
      }
      for (size_t i = 0; i < size; i++) keys[tile + i * LANES] = rounded[i];
    } else {
      float *keys = block.keys, *values = block.values;
      for (size_t i = 0; i < size; i++) keys[tile + i * LANES] = rotated[i];
      memcpy(values + position * size, value, size * sizeof(float));
    }
  }
}

// Scores of `queries` queries and `tiles` tiles of keys.
INLINE void scores(int queries, int tiles, bool halves, const float *query, size_t size, const void *keys, size_t tile,
                   lanes scale, float *out, size_t stride) {
  lanes sums[4][4 * WIDTH];
  for (int q = 0; q < queries; q++)
    for (int t = 0; t < tiles; t++) sums[q][t] = lanes_set(0);
  for (size_t d = 0; d < size; d++) {
    lanes key[4 * WIDTH];
    for (int t = 0; t < tiles; t++) key[t] = load_cached(keys, ((tile + (size_t)t) * size + d) * LANES, halves);
    for (int q = 0; q < queries; q++) {
      lanes x = lanes_set(query[(size_t)q * size + d]);
      for (int t = 0; t < tiles; t++) sums[q][t] = lanes_fma(x, key[t], sums[q][t]);
    }
  }
  for (int q = 0; q < queries; q++)
    for (int t = 0; t < tiles; t++) lanes_store(out + (size_t)q * stride + (size_t)t * LANES, lanes_mul(sums[q][t], scale));
}

// Adds to `queries` outputs the values of the positions from..to by their probabilities: `parts` lanes of dimensions.
INLINE void weighted(int queries, int parts, bool halves, const float *p, size_t stride, const void *values, size_t size,
                     size_t dimension, struct span span, float *const *out) {
  lanes sums[4][4 * WIDTH];
  for (int q = 0; q < queries; q++)
    for (int i = 0; i < parts; i++) sums[q][i] = lanes_load(out[q] + dimension + (size_t)i * LANES);
  for (size_t t = span.from; t < span.to; t++) {
    lanes value[4 * WIDTH];
    for (int i = 0; i < parts; i++) value[i] = load_cached(values, t * size + dimension + (size_t)i * LANES, halves);
    for (int q = 0; q < queries; q++) {
      lanes weight = lanes_set(p[(size_t)q * stride + t]);
      for (int i = 0; i < parts; i++) sums[q][i] = lanes_fma(weight, value[i], sums[q][i]);
    }
  }
  for (int q = 0; q < queries; q++)
    for (int i = 0; i < parts; i++) lanes_store(out[q] + dimension + (size_t)i * LANES, sums[q][i]);
}

// Queries of a group share each load. `n` is the number of tiles or dimensions' lanes that still fit in registers.
#define BY_QUERIES(queries, halves, call)                       \
  switch (queries) {                                            \
    case 1: call(1, 4 * WIDTH, halves); break;                  \
    case 2: call(2, 2 * WIDTH, halves); break;                  \
    case 3: call(3, WIDTH, halves); break;                      \
    default: call(4, WIDTH, halves);                            \
  }

static void all_scores(int queries, bool halves, const float *query, size_t size, const void *keys, struct span tiles,
                       lanes scale, float *out, size_t stride) {
#define SCORES(queries, n, halves)                                                                                  \
  do {                                                                                                              \
    size_t tile = tiles.from;                                                                                       \
    for (; tile + (n) <= tiles.to; tile += (n))                                                                     \
      scores(queries, n, halves, query, size, keys, tile, scale, out + tile * LANES, stride);                       \
    for (; tile < tiles.to; tile++) scores(queries, 1, halves, query, size, keys, tile, scale, out + tile * LANES, stride); \
  } while (0)
  if (halves) BY_QUERIES(queries, true, SCORES)
  else BY_QUERIES(queries, false, SCORES)
}

static void all_weighted(int queries, bool halves, const float *p, size_t stride, const void *values, size_t size,
                         struct span span, float *const *out) {
  if (span.from >= span.to) return;
#define WEIGHTED(queries, n, halves)                                                                            \
  do {                                                                                                          \
    size_t d = 0;                                                                                               \
    for (; d + (n)*LANES <= size; d += (n)*LANES)                                                               \
      weighted(queries, n, halves, p, stride, values, size, d, span, out);                                      \
    for (; d < size; d += LANES) weighted(queries, 1, halves, p, stride, values, size, d, span, out);           \
  } while (0)
  if (halves) BY_QUERIES(queries, true, WEIGHTED)
  else BY_QUERIES(queries, false, WEIGHTED)
}

// Scores → e^(score − largest), 0 where the query does not see; returns 1 / their sum. Lanes are positions mod 16.
static float soften(float *score, struct span seen) {
  lanes largest = lanes_set(float_of(0xff800000)), lowest = largest, sum = lanes_set(0);
  size_t first = seen.from / LANES * LANES;
  for (size_t t = first; t < seen.to; t += LANES) {
    lanes x = lanes_load(score + t);
    if (t < seen.from || t + LANES > seen.to)
      x = lanes_between((int)(larger(seen.from, t) - t), (int)(smaller(seen.to, t + LANES) - t), x, lowest);
    largest = lanes_larger(largest, x);
  }
  lanes most = lanes_set(lanes_largest(largest));
  for (size_t t = first; t < seen.to; t += LANES) {
    lanes x = lanes_exp(lanes_sub(lanes_load(score + t), most));
    if (t < seen.from || t + LANES > seen.to)
      x = lanes_between((int)(larger(seen.from, t) - t), (int)(smaller(seen.to, t + LANES) - t), x, lanes_set(0));
    lanes_store(score + t, x);
    sum = lanes_add(sum, x);
  }
  return 1 / lanes_sum(sum);
}

// Adds the values of the positions in `chunk` that each query sees: those that all see together, the others alone.
static void add_values(const struct attention_call *call, const struct block *block, size_t count, const float *p,
                       size_t stride, const struct span *seen, struct span chunk, float *const *out) {
  struct span own[4], common = chunk;
  for (size_t q = 0; q < count; q++) {
    own[q] = (struct span){larger(seen[q].from, chunk.from), smaller(seen[q].to, chunk.to)};
    common = (struct span){larger(common.from, own[q].from), smaller(common.to, own[q].to)};
  }
  if (common.from >= common.to) common = (struct span){chunk.to, chunk.to};
  for (size_t q = 0; q < count; q++)
    all_weighted(1, call->halves, p + q * stride, stride, block->values, call->size,
                 (struct span){own[q].from, smaller(own[q].to, common.from)}, out + q);
  all_weighted((int)count, call->halves, p, stride, block->values, call->size, common, out);
  for (size_t q = 0; q < count; q++)
    all_weighted(1, call->halves, p + q * stride, stride, block->values, call->size,
                 (struct span){larger(own[q].from, common.to), own[q].to}, out + q);
}

static void attend(struct attention_call *call, size_t unit) {
  struct block block = block_of(call, unit);
  size_t size = call->size, group = call->heads / call->kv_heads, width = (call->heads + 2 * call->kv_heads) * size;
  size_t queries = (block.end_step - block.first_step) * group;
  size_t first = block.first_position + block.first_step, end = block.first_position + block.end_step;
  // Scores are kept from the first tile that any query of the block sees.
  size_t start = call->window && first + 1 > call->window ? (first + 1 - call->window) / LANES : 0;
  size_t stride = ((end + LANES - 1) / LANES - start) * LANES;
  struct scratch *scratch = take_scratch(queries * (size + stride) * sizeof(float) + queries * sizeof(struct span) +
                                         queries * (sizeof(float *) + sizeof(float)));
  if (!scratch) {
    call->failed = true;
    return;
  }
  if (call->steps <= call->block_steps) write_keys(call, unit);
  float *query = scratch->memory, *p = query + queries * size;
  struct span *seen = (struct span *)(p + queries * stride);
  float **out = (float **)(seen + queries), *inverse = (float *)(out + queries);
  for (size_t i = 0; i < queries; i++) {
    size_t step = block.first_step + i / group, position = block.first_position + step;
    size_t token = block.row * call->steps + step, head = block.head * group + i % group;
    rotate(call, call->qkv + token * width + head * size, call->query_norm, position, query + i * size);
    size_t from = call->window && position + 1 > call->window ? position + 1 - call->window : 0;
    seen[i] = (struct span){from - start * LANES, position + 1 - start * LANES};
    out[i] = call->out + (token * call->heads + head) * size;
    memset(out[i], 0, size * sizeof(float));
  }
  size_t cached = size * LANES * start * (call->halves ? 2 : 4);
  block.keys = (char *)block.keys + cached, block.values = (char *)block.values + cached;

  lanes scale = lanes_set(1 / __builtin_sqrtf((float)size));
  for (size_t t = 0; t < stride; t += POSITIONS)
    for (size_t i = 0, count; i < queries; i += count) {
      count = smaller(4, queries - i);
      all_scores((int)count, call->halves, query + i * size, size, block.keys,
                 (struct span){t / LANES, smaller(t + POSITIONS, stride) / LANES}, scale, p + i * stride, stride);
    }
  for (size_t i = 0; i < queries; i++) inverse[i] = soften(p + i * stride, seen[i]);
  for (size_t t = 0; t < stride; t += POSITIONS)
    for (size_t i = 0, count; i < queries; i += count) {
      count = smaller(4, queries - i);
      add_values(call, &block, count, p + i * stride, stride, seen + i, (struct span){t, smaller(t + POSITIONS, stride)},
                 out + i);
    }
  for (size_t i = 0; i < queries; i++)
    for (size_t d = 0; d < size; d += LANES)
      lanes_store(out[i] + d, lanes_mul(lanes_load(out[i] + d), lanes_set(inverse[i])));
  return_scratch(scratch);
}
