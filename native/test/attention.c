// Attention: against double precision, every instruction set, and prompts as a whole, in two parts and one by one.
#include "check.h"
#include "../src/lanes-plain.h"

struct fixture {
  size_t batch, steps, heads, kv_heads, size, capacity, window, past;
  bool halves;
  float *qkv, *cosine, *sine, *query_norm, *key_norm;
  void *keys, *values;
};

static size_t cache_bytes(const struct fixture *f) {
  return f->batch * f->kv_heads * f->capacity * f->size * (f->halves ? 2 : 4);
}

// The cache before a step: garbage, that is NaN, after the past positions.
static void *random_cache(const struct fixture *f, bool keys) {
  char *cache = exactly(cache_bytes(f));
  for (size_t i = 0; i < f->batch * f->kv_heads * f->capacity * f->size; i++) {
    size_t place = i % (f->capacity * f->size);
    size_t position = keys ? place / (f->size * LANES) * LANES + place % LANES : place / f->size;
    float x = position < f->past ? random_between(-1, 1) : float_of(0x7fc00000);
    uint16_t half = float_to_half(x);
    if (f->halves) memcpy(cache + i * 2, &half, 2);
    else memcpy(cache + i * 4, &x, 4);
  }
  return cache;
}

static float *random_floats(size_t count, float low, float high) {
  float *floats = exactly(count * 4);
  for (size_t i = 0; i < count; i++) floats[i] = random_between(low, high);
  return floats;
}

static struct fixture fixture_of(struct fixture f) {
  f.qkv = random_floats(f.batch * f.steps * (f.heads + 2 * f.kv_heads) * f.size, -2, 2);
  f.cosine = exactly(f.capacity * f.size * 2), f.sine = exactly(f.capacity * f.size * 2);
  for (size_t i = 0; i < f.capacity * f.size / 2; i++) {
    double angle = (double)(i / (f.size / 2)) * pow(10000, -2.0 * (double)(i % (f.size / 2)) / (double)f.size);
    f.cosine[i] = (float)cos(angle), f.sine[i] = (float)sin(angle);
  }
  if (random_below(3) == 0) {
    f.query_norm = random_floats(f.size, 0.5f, 1.5f);
    f.key_norm = random_floats(f.size, 0.5f, 1.5f);
  }
  f.keys = random_cache(&f, true), f.values = random_cache(&f, false);
  return f;
}

static struct fixture random_fixture(void) {
  const size_t sizes[] = {16, 32, 48, 64, 80, 128, 256};
  size_t kv_heads = 1 + random_below(3);
  struct fixture f = {.batch = 1 + random_below(3),
                      .steps = random_below(2) ? 1 + random_below(3) : 1 + random_below(45),
                      .kv_heads = kv_heads,
                      .heads = kv_heads * (1 + random_below(7)),
                      .size = sizes[random_below(7)],
                      .past = random_below(2) ? random_below(150) : 0,
                      .window = random_below(2) ? 0 : 1 + random_below(60),
                      .halves = random_below(2)};
  f.capacity = (f.past + f.steps + random_below(20) + 15) / 16 * 16;
  return fixture_of(f);
}

static void free_fixture(struct fixture *f) {
  free(f->qkv), free(f->cosine), free(f->sine), free(f->query_norm), free(f->key_norm), free(f->keys), free(f->values);
}

struct result {
  float *out;
  void *keys, *values;
};

// Runs the steps from..to of every row on a cache that is written in place.
static void run_steps(const struct fixture *f, const struct compute *set, size_t from, size_t to, struct result *result) {
  size_t width = (f->heads + 2 * f->kv_heads) * f->size, out_width = f->heads * f->size, steps = to - from;
  float *qkv = exactly(f->batch * steps * width * 4), *out = exactly(f->batch * steps * out_width * 4);
  int32_t *lengths = exactly(f->batch * 4);
  for (size_t row = 0; row < f->batch; row++) {
    lengths[row] = (int32_t)(f->past + to) - 1;
    memcpy(qkv + row * steps * width, f->qkv + (row * f->steps + from) * width, steps * width * 4);
  }
  struct attention_call call = {.qkv = qkv,
                                .keys = result->keys,
                                .values = result->values,
                                .lengths = lengths,
                                .cosine = f->cosine,
                                .sine = f->sine,
                                .query_norm = f->query_norm,
                                .key_norm = f->key_norm,
                                .out = out,
                                .batch = f->batch,
                                .steps = steps,
                                .heads = f->heads,
                                .kv_heads = f->kv_heads,
                                .size = f->size,
                                .capacity = f->capacity,
                                .window = f->window,
                                .block_steps = 1 + random_below(9),
                                .epsilon = 1e-6f,
                                .halves = f->halves};
  size_t units = f->batch * f->kv_heads * ((steps + call.block_steps - 1) / call.block_steps);
  if (steps > call.block_steps)
    for (size_t unit = 0; unit < units; unit++) set->write_keys(&call, unit);
  for (size_t unit = 0; unit < units; unit++) set->attend(&call, unit);
  EXPECT(!call.failed, "memory");
  for (size_t row = 0; row < f->batch; row++)
    memcpy(result->out + (row * f->steps + from) * out_width, out + row * steps * out_width, steps * out_width * 4);
  free(qkv), free(out), free(lengths);
}

static struct result run(const struct fixture *f, const struct compute *set, size_t cut, size_t piece) {
  struct result result = {exactly(f->batch * f->steps * f->heads * f->size * 4), copy_of(f->keys, cache_bytes(f)),
                          copy_of(f->values, cache_bytes(f))};
  for (size_t from = 0, to; from < f->steps; from = to) {
    to = from + (from < cut ? cut - from : piece);
    if (to > f->steps) to = f->steps;
    run_steps(f, set, from, to, &result);
  }
  return result;
}

static void free_result(struct result *result) { free(result->out), free(result->keys), free(result->values); }

static bool same_caches(const struct fixture *f, const void *a, const void *b) {
  if (!f->halves) return same(a, b, cache_bytes(f) / 4);
  const uint16_t *x = a, *y = b;
  for (size_t i = 0; i < cache_bytes(f) / 2; i++)
    if (x[i] != y[i] && !((x[i] & 0x7fff) > 0x7c00 && (y[i] & 0x7fff) > 0x7c00)) return false;
  return true;
}

static void expect_same(const struct fixture *f, const struct result *a, const struct result *b, const char *which) {
  EXPECT(same(a->out, b->out, f->batch * f->steps * f->heads * f->size), "%s: outputs", which);
  EXPECT(same_caches(f, a->keys, b->keys) && same_caches(f, a->values, b->values), "%s: caches", which);
}

static double cached(const struct fixture *f, const void *cache, size_t at) {
  return f->halves ? half_to_float(((const uint16_t *)cache)[at]) : ((const float *)cache)[at];
}

static void rotated(const struct fixture *f, const float *x, const float *norm, size_t position, double *out) {
  double squares = 0;
  for (size_t i = 0; i < f->size; i++) squares += (double)x[i] * x[i];
  double factor = norm ? 1 / sqrt(squares / (double)f->size + 1e-6) : 1;
  for (size_t i = 0; i < f->size / 2; i++) {
    size_t j = i + f->size / 2;
    double a = x[i] * factor * (norm ? norm[i] : 1), b = x[j] * factor * (norm ? norm[j] : 1);
    double c = f->cosine[position * f->size / 2 + i], s = f->sine[position * f->size / 2 + i];
    out[i] = a * c - b * s, out[j] = b * c + a * s;
  }
}

// Plain C against double precision; keys and values are taken from the cache that it wrote, after checking that.
static void check_plain(const struct fixture *f, const struct result *result) {
  size_t size = f->size, width = (f->heads + 2 * f->kv_heads) * size;
  double close = f->halves ? 2e-3 : 2e-6, *query = exactly(size * 8), *p = exactly(f->capacity * 8);
  for (size_t token = 0; token < f->batch * f->steps; token++)
    for (size_t head = 0; head < f->heads; head++) {
      size_t row = token / f->steps, position = f->past + token % f->steps, kv = head / (f->heads / f->kv_heads);
      size_t base = (row * f->kv_heads + kv) * f->capacity * size;
      const float *x = f->qkv + token * width;
      rotated(f, x + (f->heads + kv) * size, f->key_norm, position, query);
      for (size_t d = 0; d < size; d++) {
        double key = cached(f, result->keys, base + (position / LANES * size + d) * LANES + position % LANES);
        double value = cached(f, result->values, base + position * size + d);
        EXPECT(fabs(key - query[d]) <= close * (1 + fabs(key)), "key %g, not %g", query[d], key);
        EXPECT(fabs(value - x[(f->heads + f->kv_heads + kv) * size + d]) <= close * (1 + fabs(value)), "value %g", value);
      }
      rotated(f, x + head * size, f->query_norm, position, query);
      size_t from = f->window && position + 1 > f->window ? position + 1 - f->window : 0;
      double largest = -INFINITY, sum = 0;
      for (size_t t = from; t <= position; t++) {
        p[t] = 0;
        for (size_t d = 0; d < size; d++)
          p[t] += query[d] * cached(f, result->keys, base + (t / LANES * size + d) * LANES + t % LANES);
        p[t] /= sqrt((double)size);
        largest = fmax(largest, p[t]);
      }
      for (size_t t = from; t <= position; t++) sum += p[t] = exp(p[t] - largest);
      for (size_t d = 0; d < size; d++) {
        double expected = 0, found = result->out[(token * f->heads + head) * size + d];
        for (size_t t = from; t <= position; t++) expected += p[t] / sum * cached(f, result->values, base + t * size + d);
        EXPECT(fabs(found - expected) <= 1e-5, "token %zu head %zu: %g, not %g", token, head, expected, found);
      }
    }
  free(query), free(p);
}

static void check_fixture(const struct fixture *f) {
  struct result plain = run(f, &compute_plain, f->steps, f->steps), whole = run(f, tested, f->steps, f->steps);
  struct result cut = run(f, tested, 1 + random_below(f->steps), f->steps);
  if (tested == &compute_plain) check_plain(f, &plain);
  expect_same(f, &plain, &whole, "as a whole");
  expect_same(f, &plain, &cut, "cut");
  free_result(&plain), free_result(&whole), free_result(&cut);
}

void check_attention(void) {
  for (int i = 0; i < 20; i++) {
    struct fixture f = random_fixture();
    check_fixture(&f);
    free_fixture(&f);
  }
  for (int halves = 0; halves < 2; halves++) {
    struct fixture f = fixture_of((struct fixture){.batch = 2, .steps = 40, .heads = 9, .kv_heads = 3, .size = 64,
                                                   .capacity = 64, .window = halves ? 12 : 0, .halves = halves});
    struct result whole = run(&f, tested, 40, 1), cut = run(&f, tested, 13, 27), single = run(&f, tested, 0, 1);
    expect_same(&f, &whole, &cut, "40 = 13 + 27");
    expect_same(&f, &whole, &single, "40 one by one");
    free_result(&whole), free_result(&cut), free_result(&single);
    free_fixture(&f);
  }
}
