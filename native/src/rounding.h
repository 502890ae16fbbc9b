// Norm and rounding of a row of activations: to 8-bit codes in blocks of 32, each with its scale and the sum of its codes.

// Rows that share each weight: of a chunk, groups of nearly equal sizes, as 9 rows are better 5 and 4 than 8 and 1.
struct group {
  size_t first, rows;
};

static inline struct group group_of(size_t rows, size_t row) {
  size_t chunk = row / ROW_CHUNK * ROW_CHUNK, count = rows - chunk < ROW_CHUNK ? rows - chunk : ROW_CHUNK;
  size_t groups = (count + ROWS - 1) / ROWS, size = count / groups, larger = count % groups, at = row - chunk;
  if (at < larger * (size + 1)) return (struct group){chunk + at / (size + 1) * (size + 1), size + 1};
  at -= larger * (size + 1);
  return (struct group){chunk + larger * (size + 1) + at / size * size, size};
}

// The norm's factor for a row of `size` values, a multiple of 16.
static float root_mean_square_inverse(const float *x, size_t size, float epsilon) {
  lanes squares = lanes_set(0);
  for (size_t i = 0; i < size; i += LANES) squares = lanes_fma(lanes_load(x + i), lanes_load(x + i), squares);
  return 1 / __builtin_sqrtf(lanes_sum(squares) / (float)size + epsilon);
}

// A block below this is zero: its inverse scale would near infinity.
#define SMALLEST_BLOCK 0x1p-100f

static void round_row(const struct linear_call *call, size_t row) {
  const struct rounded *to = &call->rounded;
  size_t blocks = call->columns / BLOCK;
  const float *x = call->x + row * call->columns;
  struct group group = group_of(call->rows, row);
  size_t place = group.first * blocks + row - group.first;
  lanes factor = lanes_set(1);
  if (call->norm) factor = lanes_set(root_mean_square_inverse(x, call->columns, call->epsilon));
  for (size_t block = 0; block < blocks; block++, place += group.rows) {
    size_t at = block * BLOCK;
    int8_t *codes = to->codes + place * BLOCK;
    lanes a = lanes_load(x + at), b = lanes_load(x + at + LANES);
    if (call->norm) {
      a = lanes_mul(lanes_mul(a, factor), lanes_load(call->norm + at));
      b = lanes_mul(lanes_mul(b, factor), lanes_load(call->norm + at + LANES));
    }
    float largest = float_of(lanes_largest_magnitude(a, b)), scale = 0;
    int32_t sum = 0;
    if (largest >= SMALLEST_BLOCK && largest <= 3.40282347e38f) {
      lanes inverse = lanes_set(127 / largest);
      scale = largest / 127;
      sum = lanes_round_store(codes, lanes_mul(a, inverse));
      sum += lanes_round_store(codes + LANES, lanes_mul(b, inverse));
    } else {
      // NaN and infinity have no code: the scale makes the products NaN.
      if (!(largest < SMALLEST_BLOCK)) scale = float_of(0x7fc00000);
      memset(codes, 0, BLOCK);
    }
    to->scales[place] = scale;
    to->scaled_sums[place] = scale * (float)sum;
    to->sums[place] = sum;
  }
}
