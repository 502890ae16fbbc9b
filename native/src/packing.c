// Packing: where each tile begins and ends, and its bytes. It does not know the instruction sets, which share one layout.
#include "packing.h"

#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "lanes-plain.h"
#include "weight-memory.h"

static float value_at(const void *values, bool halves, size_t at) {
  return halves ? half_to_float(((const uint16_t *)values)[at]) : ((const float *)values)[at];
}

static bool fit_halves(const void *values, bool halves, size_t count) {
  if (halves || !values) return true;
  const float *floats = values;
  for (size_t i = 0; i < count; i++)
    if (bits_of(half_to_float(float_to_half(floats[i]))) != bits_of(floats[i])) return false;
  return true;
}

// Eight bytes from four: byte i to byte 2i.
static uint64_t spread(uint64_t x) {
  x = (x | x << 16) & 0x0000ffff0000ffff;
  return (x | x << 8) & 0x00ff00ff00ff00ff;
}

static void store4(uint8_t *to, uint64_t groups) {
  uint32_t low = (uint32_t)groups, high = (uint32_t)(groups >> 32);
  memcpy(to, &low, 4);
  memcpy(to + 64, &high, 4);
}

// 32 codes of 4 bits, column 2i in the low nibble of byte i, to the places of one output.
static void pack4(const uint8_t *codes, uint8_t *to) {
  const uint64_t low = 0x0f0f0f0f0f0f0f0f;
  uint64_t a, b;
  memcpy(&a, codes, 8);
  memcpy(&b, codes + 8, 8);
  uint64_t even = (a & low) | (b & low) << 4, odd = (a >> 4 & low) | (b & ~low);
  store4(to, spread(even & 0xffffffff) | spread(odd & 0xffffffff) << 8);
  store4(to + 128, spread(even >> 32) | spread(odd >> 32) << 8);
}

static void pack8(const uint8_t *codes, uint8_t *to) {
  for (int g = 0; g < 8; g++) memcpy(to + g * 64, codes + g * 4, 4);
}

static void pack_values(const void *values, bool halves, size_t at, uint8_t *to, bool to_halves) {
  if (to_halves) {
    uint16_t half = halves ? ((const uint16_t *)values)[at] : float_to_half(((const float *)values)[at]);
    memcpy(to, &half, 2);
  } else {
    float value = value_at(values, halves, at);
    memcpy(to, &value, 4);
  }
}

static size_t block_bytes(const struct tile *tile) {
  return (size_t)tile->bits * 64 + (size_t)(tile->halves ? 32 : 64) * (tile->minimums ? 2 : 1);
}

static void pack_tile(const struct source *source, size_t row, const struct tile *tile, uint8_t *to) {
  size_t value_bytes = tile->halves ? 2 : 4, code_bytes = (size_t)tile->bits * 4, bytes = block_bytes(tile);
  memset(to, 0, bytes * source->blocks);
  for (size_t j = 0; j < (size_t)tile->count; j++) {
    size_t at = (row + j) * source->blocks;
    for (size_t block = 0; block < source->blocks; block++) {
      uint8_t *start = to + block * bytes, *values = start + tile->bits * 64;
      const uint8_t *codes = source->codes + (at + block) * code_bytes;
      if (tile->bits == 4) pack4(codes, start + j * 4);
      else pack8(codes, start + j * 4);
      pack_values(source->scales, source->scale_halves, at + block, values + j * value_bytes, tile->halves);
      if (tile->minimums)
        pack_values(source->minimums, source->minimum_halves, at + block,
                    values + (LANES + j) * value_bytes, tile->halves);
    }
  }
}

struct place { size_t source, row; };

static struct place place_of(const struct source *sources, size_t row) {
  size_t source = 0;
  for (; row >= sources[source].rows; source++) row -= sources[source].rows;
  return (struct place){source, row};
}

bool pack(const struct source *sources, size_t count, const float *bias, bool swiglu, struct packed *out) {
  *out = (struct packed){0};
  size_t rows = 0, most_tiles = 0;
  bool halves[3];
  for (size_t i = 0; i < count; i++) {
    size_t values = sources[i].rows * sources[i].blocks;
    halves[i] = fit_halves(sources[i].scales, sources[i].scale_halves, values) &&
                fit_halves(sources[i].minimums, sources[i].minimum_halves, values);
    rows += sources[i].rows;
    most_tiles += sources[i].rows / LANES + 1;
  }
  size_t half = swiglu ? rows / 2 : rows;
  // A tile ends where a source ends, in either half, so that it has one source and pairs have the same outputs.
  out->tiles = calloc(2 * most_tiles * 2, sizeof *out->tiles);
  if (!out->tiles) return false;
  size_t bytes = 0;
  for (size_t column = 0, width; column < half; column += width) {
    width = half - column < LANES ? half - column : LANES;
    for (size_t part = 0; part < (swiglu ? 2 : 1); part++) {
      struct place place = place_of(sources, part * half + column);
      size_t left = sources[place.source].rows - place.row;
      width = left < width ? left : width;
    }
    for (size_t part = 0; part < (swiglu ? 2 : 1); part++) {
      size_t source = place_of(sources, part * half + column).source;
      struct tile *tile = &out->tiles[out->tile_count++];
      *tile = (struct tile){.column = (int32_t)column,
                            .count = (int32_t)width,
                            .centre = sources[source].centre,
                            .bits = (uint8_t)sources[source].bits,
                            .minimums = sources[source].minimums != NULL,
                            .halves = halves[source]};
      bytes += block_bytes(tile) * sources[source].blocks;
    }
  }
  size_t bias_bytes = bias ? out->tile_count * LANES * sizeof(float) : 0;
  uint8_t *memory = out->memory = allocate_weight_memory(bytes + bias_bytes);
  if (!memory) return free(out->tiles), false;
  float *biases = (float *)memory;
  memory += bias_bytes;
  for (size_t i = 0; i < out->tile_count; i++) {
    struct tile *tile = &out->tiles[i];
    size_t row = (swiglu && i % 2 ? half : 0) + (size_t)tile->column;
    struct place place = place_of(sources, row);
    if (bias) {
      memset(biases, 0, LANES * sizeof(float));
      memcpy(biases, bias + row, (size_t)tile->count * sizeof(float));
      tile->bias = biases;
      biases += LANES;
    }
    pack_tile(&sources[place.source], place.row, tile, memory);
    tile->weights = memory;
    memory += block_bytes(tile) * sources[place.source].blocks;
  }
  return true;
}

void free_packed(struct packed *packed) {
  free(packed->tiles);
  free_weight_memory(packed->memory);
}

void leave_memory(const void *start, size_t bytes) {
#if defined(__linux__)
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = ((uintptr_t)start + page - 1) / page * page;
  uintptr_t end = ((uintptr_t)start + bytes) / page * page;
  // Advice only: kernels before 5.4 do not know it.
  if (end > first) (void)madvise((void *)first, end - first, MADV_PAGEOUT);
#else
  (void)start, (void)bytes;
#endif
}
