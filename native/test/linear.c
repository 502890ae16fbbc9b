// Products: rounded rows, packed sources of several kinds, every instruction set, and a row alone and among others.
#include "check.h"
#include "../src/packing.h"
#include "../src/lanes-plain.h"

enum { MOST_SOURCES = 3 };

struct fixture {
  struct source sources[MOST_SOURCES];
  size_t count, outputs, columns, rows, width;
  float *norm, *bias, *residual, *x;
  bool swiglu;
  struct packed packed;
};

static uint16_t *random_halves(size_t count, float low, float high) {
  uint16_t *halves = exactly(count * 2);
  for (size_t i = 0; i < count; i++) halves[i] = float_to_half(random_between(low, high));
  return halves;
}

static float *random_floats(size_t count, float low, float high) {
  float *floats = exactly(count * 4);
  for (size_t i = 0; i < count; i++) floats[i] = random_between(low, high);
  return floats;
}

static void *random_values(size_t count, float low, float high, bool halves) {
  if (halves) return random_halves(count, low, high);
  float *floats = random_floats(count, low, high);
  // Some sources in float32 are exact in float16, and are packed as such.
  if (random_below(2))
    for (size_t i = 0; i < count; i++) floats[i] = half_to_float(float_to_half(floats[i]));
  return floats;
}

static struct source random_source(size_t rows, size_t blocks) {
  struct source source = {.bits = random_below(2) ? 4 : 8,
                          .scale_halves = random_below(2),
                          .minimum_halves = random_below(2),
                          .rows = rows,
                          .blocks = blocks};
  size_t bytes = rows * blocks * (size_t)source.bits * 4;
  uint8_t *codes = exactly(bytes);
  for (size_t i = 0; i < bytes; i++) codes[i] = (uint8_t)(random_below(8) ? random_bits() >> 20 : 255);
  source.codes = codes;
  source.scales = random_values(rows * blocks, -0.01f, 0.02f, source.scale_halves);
  if (random_below(3)) source.minimums = random_values(rows * blocks, -0.2f, 0.1f, source.minimum_halves);
  else source.centre = random_below(3) ? 1 << (source.bits - 1) : (int32_t)random_below((size_t)1 << source.bits);
  return source;
}

static struct fixture random_fixture(bool strange) {
  struct fixture f = {.count = 1 + random_below(MOST_SOURCES), .rows = 1 + random_below(40), .swiglu = random_below(3) == 0};
  size_t blocks = 1 + random_below(9);
  f.columns = blocks * BLOCK;
  for (size_t i = 0; i < f.count; i++) {
    size_t rows = 1 + random_below(50);
    if (f.swiglu && i + 1 == f.count && (f.outputs + rows) % 2) rows++;
    f.sources[i] = random_source(rows, blocks);
    f.outputs += rows;
  }
  f.width = f.swiglu ? f.outputs / 2 : f.outputs;
  if (random_below(2)) f.norm = random_floats(f.columns, 0.5f, 1.5f);
  if (random_below(2)) f.bias = random_floats(f.outputs, -1, 1);
  if (random_below(2)) f.residual = random_floats(f.rows * f.width, -1, 1);
  f.x = random_floats(f.rows * f.columns, -2, 2);
  for (size_t i = 0; i < f.rows * f.columns / BLOCK; i++) {
    float *block = f.x + i * BLOCK;
    if (random_below(8) == 0) memset(block, 0, BLOCK * 4);
    if (random_below(8) == 0)
      for (int j = 0; j < BLOCK; j++) block[j] *= random_below(2) ? 1e-30f : 1e-42f;
    if (strange && random_below(12) == 0) {
      const uint32_t kinds[] = {0x7fc00000, 0x7f800000, 0xff800000, 0x7f7fffff, 0xff800001, 0x80000000, 1};
      block[random_below(BLOCK)] = float_of(kinds[random_below(7)]);
    }
  }
  EXPECT(pack(f.sources, f.count, f.bias, f.swiglu, &f.packed), "memory");
  // Each tile's weights in memory of its own.
  for (size_t i = 0; i < f.packed.tile_count; i++) {
    struct tile *tile = &f.packed.tiles[i];
    size_t bytes = blocks * ((size_t)tile->bits * 64 + (size_t)(tile->halves ? 32 : 64) * (tile->minimums ? 2 : 1));
    tile->weights = copy_of(tile->weights, bytes);
    if (tile->bias) tile->bias = copy_of(tile->bias, LANES * 4);
  }
  return f;
}

static void free_fixture(struct fixture *f) {
  for (size_t i = 0; i < f->packed.tile_count; i++) {
    free((void *)f->packed.tiles[i].weights);
    free((void *)f->packed.tiles[i].bias);
  }
  free_packed(&f->packed);
  for (size_t i = 0; i < f->count; i++) {
    free((void *)f->sources[i].codes);
    free((void *)f->sources[i].scales);
    free((void *)f->sources[i].minimums);
  }
  free(f->norm), free(f->bias), free(f->residual), free(f->x);
}

struct result {
  struct rounded rounded;
  float *y;
};

static struct result run(const struct fixture *f, const struct compute *set, size_t first, size_t rows) {
  size_t blocks = f->columns / BLOCK, swiglu = f->swiglu ? 2 : 1;
  struct result result = {{exactly(rows * f->columns), exactly(rows * blocks * 4), exactly(rows * blocks * 4),
                           exactly(rows * blocks * 4)},
                          exactly(rows * f->width * 4)};
  float *x = copy_of(f->x + first * f->columns, rows * f->columns * 4);
  float *residual = f->residual ? copy_of(f->residual + first * f->width, rows * f->width * 4) : NULL;
  struct linear_call call = {.x = x,
                             .norm = f->norm,
                             .residual = residual,
                             .y = result.y,
                             .tiles = f->packed.tiles,
                             .rounded = result.rounded,
                             .rows = rows,
                             .columns = f->columns,
                             .width = f->width,
                             .units = f->packed.tile_count / swiglu,
                             .parts = 1 + random_below(f->packed.tile_count / swiglu),
                             .epsilon = 1e-5f,
                             .swiglu = f->swiglu};
  for (size_t row = 0; row < rows; row++) set->round_row(&call, row);
  size_t chunks = (rows + ROW_CHUNK - 1) / ROW_CHUNK;
  for (size_t part = call.parts * chunks; part-- > 0;) set->linear_part(&call, part);
  free(x), free(residual);
  return result;
}

static void free_result(struct result *result) {
  free(result->rounded.codes), free(result->rounded.scales), free(result->rounded.scaled_sums), free(result->rounded.sums);
  free(result->y);
}

static double stored(const void *values, bool halves, size_t at) {
  return halves ? half_to_float(((const uint16_t *)values)[at]) : ((const float *)values)[at];
}

// The weight of an output and column as the source states it.
static double weight(const struct fixture *f, size_t output, size_t column) {
  const struct source *source = f->sources;
  for (; output >= source->rows; source++) output -= source->rows;
  size_t at = output * source->blocks + column / BLOCK, place = column % BLOCK;
  int code = source->bits == 8 ? source->codes[at * 32 + place] : source->codes[at * 16 + place / 2] >> (place % 2 * 4) & 15;
  double scale = stored(source->scales, source->scale_halves, at);
  return source->minimums ? scale * code + stored(source->minimums, source->minimum_halves, at)
                          : scale * (code - source->centre);
}

// Plain C against double precision: the codes of the activations, then the outputs from these codes.
static void check_plain(const struct fixture *f, const struct result *result) {
  for (size_t row = 0; row < f->rows; row++) {
    const float *x = f->x + row * f->columns;
    double squares = 0, factor = 1;
    for (size_t i = 0; i < f->columns; i++) squares += (double)x[i] * x[i];
    if (f->norm) factor = 1 / sqrt(squares / (double)f->columns + 1e-5);
    double *rounded = exactly(f->columns * sizeof(double));
    for (size_t i = 0; i < f->columns; i++) {
      double value = x[i] * factor * (f->norm ? f->norm[i] : 1);
      double scale = result->rounded.scales[row * (f->columns / BLOCK) + i / BLOCK];
      rounded[i] = result->rounded.codes[row * f->columns + i] * scale;
      EXPECT(fabs(value - rounded[i]) <= scale * 0.501 + 1e-30, "row %zu column %zu: %g rounded to %g", row, i, value, rounded[i]);
    }
    for (size_t column = 0; column < f->width; column++) {
      double halves[2] = {0, 0}, size = 0;
      for (size_t half = 0; half < (f->swiglu ? 2 : 1); half++) {
        size_t output = half * f->width + column;
        for (size_t i = 0; i < f->columns; i++) {
          halves[half] += rounded[i] * weight(f, output, i);
          size += fabs(rounded[i]) * (fabs(weight(f, output, i)) + 0.2);
        }
        if (f->bias) halves[half] += f->bias[output];
      }
      double expected = f->swiglu ? halves[0] / (1 + exp(-halves[0])) * halves[1] : halves[0];
      size *= f->swiglu ? 1 + fabs(halves[0]) + fabs(halves[1]) : 1;
      if (f->residual) expected += f->residual[row * f->width + column];
      double found = result->y[row * f->width + column];
      EXPECT(fabs(found - expected) <= 2e-6 * (size + fabs(expected) + 1), "row %zu output %zu: %g, not %g", row, column, expected, found);
    }
    free(rounded);
  }
}

static void expect_same(const struct fixture *f, const struct result *a, const struct result *b, size_t first,
                        size_t rows) {
  EXPECT(same(a->y + first * f->width, b->y, rows * f->width), "outputs of rows %zu to %zu", first, first + rows);
}

// Of one row, as instruction sets have groups of other sizes.
static void expect_same_rounding(const struct fixture *f, const struct result *plain, const struct result *one,
                                 size_t row) {
  size_t blocks = f->columns / BLOCK;
  EXPECT(memcmp(plain->rounded.codes + row * f->columns, one->rounded.codes, f->columns) == 0, "codes");
  EXPECT(same(plain->rounded.scales + row * blocks, one->rounded.scales, blocks), "scales");
  EXPECT(same(plain->rounded.scaled_sums + row * blocks, one->rounded.scaled_sums, blocks), "scaled sums");
  EXPECT(memcmp(plain->rounded.sums + row * blocks, one->rounded.sums, blocks * 4) == 0, "sums");
}

static void check_fixture(struct fixture *f, bool strange) {
  struct result plain = run(f, &compute_plain, 0, f->rows), all = run(f, tested, 0, f->rows);
  if (tested == &compute_plain && !strange) check_plain(f, &plain);
  expect_same(f, &plain, &all, 0, f->rows);
  size_t first = random_below(f->rows), rows = 1 + random_below(f->rows - first);
  struct result some = run(f, tested, first, rows), one = run(f, tested, first, 1);
  expect_same(f, &plain, &some, first, rows);
  expect_same_rounding(f, &plain, &one, first);
  free_result(&plain), free_result(&all), free_result(&some), free_result(&one);
}

// A row alone and as the middle one of so many strangers.
static void check_strangers(void) {
  const size_t groups[] = {2, 3, 5, 8, 16, 33, ROW_CHUNK + 3};
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
    struct fixture f = random_fixture(false);
    free(f.x), free(f.residual);
    f.rows = groups[i], f.residual = NULL;
    f.x = random_floats(f.rows * f.columns, -2, 2);
    struct result all = run(&f, tested, 0, f.rows), alone = run(&f, tested, f.rows / 2, 1);
    expect_same(&f, &all, &alone, f.rows / 2, 1);
    free_result(&all), free_result(&alone);
    free_fixture(&f);
  }
}

void check_linear(void) {
  for (int i = 0; i < 36; i++) {
    bool strange = i % 2;
    struct fixture f = random_fixture(strange);
    check_fixture(&f, strange);
    free_fixture(&f);
  }
  check_strangers();
}
