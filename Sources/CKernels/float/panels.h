// The float kernels, written once. Included by each instruction set's file after common/lanes.h with
//   PVIT_VARIANT(name)  a kernel's name on this instruction set
//   TILE_ROWS    rows of the register tile: a divisor of PVIT_PANEL_ROWS
//   TILE_GROUPS  groups of 16 outputs beside one another in the register tile, 1 or 2
#pragma once

#include "float/panel_packing.h"
#include "common/variants.h"

// ---- Products

// One register tile. `rows` and `groups` are constants after inlining.
PVIT_INLINE void multiply_tile(const float *restrict panel, size_t depth, const float *restrict weights,
                               size_t group_stride, int accumulate, float *restrict sums, size_t sums_stride, int rows,
                               int groups) {
    f32x16 tile[TILE_ROWS][TILE_GROUPS];
    PVIT_UNROLL
    for (int row = 0; row < rows; row++) {
        PVIT_UNROLL
        for (int group = 0; group < groups; group++)
            tile[row][group] = accumulate ? load_f32(sums + (size_t)row * sums_stride + 16 * group) : splat(0);
    }
    for (size_t k = 0; k < depth; k++) {
        f32x16 outputs[TILE_GROUPS];
        PVIT_UNROLL
        for (int group = 0; group < groups; group++)
            outputs[group] = load_f32(weights + (size_t)group * group_stride + 16 * k);
        PVIT_UNROLL
        for (int row = 0; row < rows; row++) {
            f32x16 x = splat(panel[row * PVIT_PANEL_STRIDE + (ptrdiff_t)k]);
            PVIT_UNROLL
            for (int group = 0; group < groups; group++)
                tile[row][group] = PVIT_MULTIPLY_ADD(x, outputs[group], tile[row][group]);
        }
    }
    PVIT_UNROLL
    for (int row = 0; row < rows; row++) {
        PVIT_UNROLL
        for (int group = 0; group < groups; group++)
            store_f32(tile[row][group], sums + (size_t)row * sums_stride + 16 * group);
    }
}

// One function for each height of a tile keeps the accumulators in registers.
#define TILE(rows, groups)                                                                                             \
    PVIT_TARGET static void tile_##rows##_##groups(const float *restrict panel, size_t depth,                          \
                                                   const float *restrict weights, size_t group_stride, int accumulate, \
                                                   float *restrict sums, size_t sums_stride) {                         \
        multiply_tile(panel, depth, weights, group_stride, accumulate, sums, sums_stride, rows, groups);               \
    }
#define TILES_OF_ONE_TO_SIX(groups)                                                                                    \
    TILE(1, groups) TILE(2, groups) TILE(3, groups) TILE(4, groups) TILE(5, groups) TILE(6, groups)
#define NAMES_OF_ONE_TO_SIX(groups)                                                                                    \
    tile_1_##groups, tile_2_##groups, tile_3_##groups, tile_4_##groups, tile_5_##groups, tile_6_##groups
#define TILES_OF_SEVEN_TO_TWELVE(groups)                                                                               \
    TILE(7, groups) TILE(8, groups) TILE(9, groups) TILE(10, groups) TILE(11, groups) TILE(12, groups)
#define NAMES_OF_SEVEN_TO_TWELVE(groups)                                                                               \
    tile_7_##groups, tile_8_##groups, tile_9_##groups, tile_10_##groups, tile_11_##groups, tile_12_##groups

typedef void multiply_tile_function(const float *restrict, size_t, const float *restrict, size_t, int, float *restrict,
                                    size_t);

TILES_OF_ONE_TO_SIX(1)
#if TILE_GROUPS == 2
TILES_OF_ONE_TO_SIX(2)
TILES_OF_SEVEN_TO_TWELVE(1)
TILES_OF_SEVEN_TO_TWELVE(2)
static multiply_tile_function *const tiles[TILE_GROUPS][TILE_ROWS] = {
    {NAMES_OF_ONE_TO_SIX(1), NAMES_OF_SEVEN_TO_TWELVE(1)},
    {NAMES_OF_ONE_TO_SIX(2), NAMES_OF_SEVEN_TO_TWELVE(2)},
};
#else
static multiply_tile_function *const tiles[TILE_GROUPS][TILE_ROWS] = {{NAMES_OF_ONE_TO_SIX(1)}};
#endif

PVIT_TARGET void PVIT_VARIANT(multiply_panel)(const float *restrict panel, size_t rows, size_t depth,
                                              const float *restrict groups_start, size_t groups, size_t group_stride,
                                              int accumulate, float *restrict sums, size_t sums_stride) {
    // The panel is in the cache and weights are not, so each group is read once.
    for (size_t group = 0; group < groups; group += TILE_GROUPS) {
        size_t width = groups - group < TILE_GROUPS ? groups - group : TILE_GROUPS;
        for (size_t row = 0; row < rows; row += TILE_ROWS) {
            size_t height = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
            tiles[width - 1][height - 1](panel + row * PVIT_PANEL_STRIDE, depth, groups_start + group * group_stride,
                                         group_stride, accumulate, sums + row * sums_stride + 16 * group, sums_stride);
        }
    }
}

// A butterfly: after the stage of distance d, element i of row r has come from row r ^ (d and bit of i), for each bit.
#define EXCHANGE(first, second, ...)                                                                                   \
    do {                                                                                                               \
        f32x16 low = __builtin_shufflevector(first, second, __VA_ARGS__);                                              \
        second = __builtin_shufflevector(first, second, SECOND_HALF(__VA_ARGS__));                                     \
        first = low;                                                                                                   \
    } while (0)
#define SECOND_HALF(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)                                                    \
    SECOND(a), SECOND(b), SECOND(c), SECOND(d), SECOND(e), SECOND(f), SECOND(g), SECOND(h), SECOND(i), SECOND(j),      \
        SECOND(k), SECOND(l), SECOND(m), SECOND(n), SECOND(o), SECOND(p)

PVIT_INLINE void transpose(f32x16 rows[16]) {
    PVIT_UNROLL
    for (int r = 0; r < 8; r++) {
#define SECOND(index) ((index) + 8)
        EXCHANGE(rows[r], rows[r + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
#undef SECOND
    }
    PVIT_UNROLL
    for (int r = 0; r < 16; r++) {
#define SECOND(index) ((index) + 4)
        if (!(r & 4)) EXCHANGE(rows[r], rows[r + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
#undef SECOND
    }
    PVIT_UNROLL
    for (int r = 0; r < 16; r++) {
#define SECOND(index) ((index) + 2)
        if (!(r & 2)) EXCHANGE(rows[r], rows[r + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
#undef SECOND
    }
    PVIT_UNROLL
    for (int r = 0; r < 16; r++) {
#define SECOND(index) ((index) + 1)
        if (!(r & 1)) EXCHANGE(rows[r], rows[r + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30);
#undef SECOND
    }
}

typedef _Float16 f16x16 __attribute__((ext_vector_type(16)));

PVIT_INLINE f32x16 load_number(const void *w, size_t index, pvit_float_type type) {
    if (type == PVIT_FLOAT_F32) return load_f32((const float *)w + index);
    const uint16_t *halves = (const uint16_t *)w + index;
    if (type == PVIT_FLOAT_BF16) {
        u16x16 bits;
        memcpy(&bits, halves, sizeof bits);
        return from_bf16(bits);
    }
    f16x16 numbers;
    memcpy(&numbers, halves, sizeof numbers);
    return __builtin_convertvector(numbers, f32x16);
}

PVIT_INLINE void pack_whole_group(const void *w, size_t columns, size_t stride, pvit_float_type type,
                                  size_t kernel_area, float *restrict group) {
    size_t channels = columns / kernel_area;
    for (size_t column = 0; column < columns; column += 16) {
        f32x16 block[16];
        PVIT_UNROLL
        for (size_t row = 0; row < 16; row++) {
            // The processor's prefetcher cannot follow sixteen streams.
            size_t bytes = type == PVIT_FLOAT_F32 ? 4 : 2;
            __builtin_prefetch((const char *)w + (row * stride + column) * bytes + 512);
            block[row] = load_number(w, row * stride + column, type);
        }
        transpose(block);
        size_t offset = column % kernel_area, channel = column / kernel_area;
        PVIT_UNROLL
        for (size_t i = 0; i < 16; i++) {
            store_f32(block[i], group + (offset * channels + channel) * 16);
            if (++offset == kernel_area) offset = 0, channel++;
        }
    }
}

PVIT_TARGET void PVIT_VARIANT(pack_rows)(const void *restrict w, pvit_float_type type, size_t rows, size_t columns,
                                         size_t stride, size_t kernel_area, size_t first_lane, float *restrict group) {
    if (rows < 16 || columns % 16 != 0)
        return pvit_pack_numbers(w, type, rows, columns, stride, kernel_area, first_lane, group);
    switch (type) {
    case PVIT_FLOAT_F32: return pack_whole_group(w, columns, stride, PVIT_FLOAT_F32, kernel_area, group);
    case PVIT_FLOAT_F16: return pack_whole_group(w, columns, stride, PVIT_FLOAT_F16, kernel_area, group);
    case PVIT_FLOAT_BF16: return pack_whole_group(w, columns, stride, PVIT_FLOAT_BF16, kernel_area, group);
    }
}

// ---- After products

PVIT_INLINE f32x16 activate(f32x16 x, pvit_activation activation) {
    if (activation == PVIT_ACTIVATION_RELU) return x < splat(0) ? splat(0) : x;
    if (activation == PVIT_ACTIVATION_QUICK_GELU) return x / (splat(1.0f) + exponential(splat(-1.702f) * x));
    return x;
}

PVIT_INLINE f32x16 load_at_most_16(const float *from, size_t count) {
    return count < 16 ? load_f32_part(from, count) : load_f32(from);
}

PVIT_TARGET void PVIT_VARIANT(finish)(const float *restrict sums, size_t sums_stride, size_t rows, size_t outputs,
                                      pvit_epilogue epilogue, float *y, size_t y_stride) {
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = 0; i < outputs; i += 16) {
            size_t count = outputs - i;
            f32x16 scale = epilogue.scale ? load_at_most_16(epilogue.scale + i, count) : splat(1.0f);
            f32x16 shift = epilogue.shift ? load_at_most_16(epilogue.shift + i, count) : splat(0);
            f32x16 value = PVIT_MULTIPLY_ADD(load_f32(sums + row * sums_stride + i), scale, shift);
            if (epilogue.residual)
                value += load_at_most_16(epilogue.residual + row * epilogue.residual_stride + i, count);
            value = activate(value, epilogue.activation);
            if (count < 16)
                store_f32_part(value, y + row * y_stride + i, count);
            else
                store_f32(value, y + row * y_stride + i);
        }
    }
}

// ---- Norm, softmax, interpolation

PVIT_TARGET void PVIT_VARIANT(layer_norm)(const float *x, const float *weight, const float *bias, size_t count,
                                          float epsilon, float *result) {
    size_t whole = count / 16 * 16;
    f32x16 sums = splat(0), squares = splat(0);
    for (size_t i = 0; i < whole; i += 16) sums += load_f32(x + i);
    if (whole < count) sums += load_f32_part(x + whole, count - whole);
    float mean = add_pairwise(sums) / (float)count;
    for (size_t i = 0; i < whole; i += 16) {
        f32x16 part = load_f32(x + i) - splat(mean);
        squares = PVIT_MULTIPLY_ADD(part, part, squares);
    }
    if (whole < count) {
        float rest[16];
        for (size_t i = 0; i < 16; i++) rest[i] = whole + i < count ? x[whole + i] - mean : 0;
        squares = PVIT_MULTIPLY_ADD(load_f32(rest), load_f32(rest), squares);
    }
    float inverse = 1.0f / sqrtf(add_pairwise(squares) / (float)count + epsilon);
    for (size_t i = 0; i < whole; i += 16)
        store_f32(PVIT_MULTIPLY_ADD((load_f32(x + i) - splat(mean)) * splat(inverse), load_f32(weight + i),
                                    load_f32(bias + i)),
                  result + i);
    for (size_t i = whole; i < count; i++) result[i] = __builtin_fmaf((x[i] - mean) * inverse, weight[i], bias[i]);
}

PVIT_TARGET void PVIT_VARIANT(softmax)(float *x, size_t count, float scale) {
    size_t whole = count / 16 * 16;
    f32x16 largest_parts = splat(-INFINITY), sums = splat(0);
    for (size_t i = 0; i < whole; i += 16) {
        f32x16 part = load_f32(x + i) * splat(scale);
        store_f32(part, x + i);
        largest_parts = larger(part, largest_parts);
    }
    float maximum = largest(largest_parts);
    for (size_t i = whole; i < count; i++) {
        x[i] *= scale;
        if (x[i] > maximum) maximum = x[i];
    }
    for (size_t i = 0; i < whole; i += 16) {
        f32x16 part = exponential(load_f32(x + i) - splat(maximum));
        store_f32(part, x + i);
        sums += part;
    }
    if (whole < count) {
        float rest[16];
        for (size_t i = 0; i < 16; i++) rest[i] = whole + i < count ? x[whole + i] - maximum : -INFINITY;
        f32x16 part = exponential(load_f32(rest));
        store_f32_part(part, x + whole, count - whole);
        sums += part;
    }
    float inverse = 1.0f / add_pairwise(sums);
    for (size_t i = 0; i < whole; i += 16) store_f32(load_f32(x + i) * splat(inverse), x + i);
    for (size_t i = whole; i < count; i++) x[i] *= inverse;
}

PVIT_TARGET void PVIT_VARIANT(weighted_sum)(const float *const *rows, const float *restrict weights, size_t count,
                                            size_t width, float *restrict result) {
    size_t i = 0;
    for (; i + 32 <= width; i += 32) {
        f32x16 sums[2] = {splat(0), splat(0)};
        for (size_t row = 0; row < count; row++) {
            sums[0] = PVIT_MULTIPLY_ADD(splat(weights[row]), load_f32(rows[row] + i), sums[0]);
            sums[1] = PVIT_MULTIPLY_ADD(splat(weights[row]), load_f32(rows[row] + i + 16), sums[1]);
        }
        store_f32(sums[0], result + i);
        store_f32(sums[1], result + i + 16);
    }
    for (; i < width; i++) {
        float sum = 0;
        for (size_t row = 0; row < count; row++) sum = __builtin_fmaf(weights[row], rows[row][i], sum);
        result[i] = sum;
    }
}

// Independent sums: enough to hide the latency, but not more than there are registers.
#define PROBE_CHAINS (TILE_GROUPS == 2 ? 10 : 5)

PVIT_TARGET uint64_t PVIT_VARIANT(fma_probe)(size_t iterations, float *checksum) {
    f32x16 sums[PROBE_CHAINS], factor = splat(*checksum), one = splat(1.0f);
    PVIT_UNROLL
    for (int i = 0; i < PROBE_CHAINS; i++) sums[i] = splat((float)i);
    for (size_t iteration = 0; iteration < iterations; iteration++) {
        PVIT_UNROLL
        for (int i = 0; i < PROBE_CHAINS; i++) sums[i] = PVIT_MULTIPLY_ADD(sums[i], factor, one);
    }
    PVIT_UNROLL
    for (int i = 1; i < PROBE_CHAINS; i++) sums[0] += sums[i];
    *checksum = add_pairwise(sums[0]);
    return (uint64_t)iterations * PROBE_CHAINS * 16 * 2;
}
