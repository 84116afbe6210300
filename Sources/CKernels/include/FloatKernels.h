// Kernels for float32 matrix products and for what vision towers need between them. Included by CKernels.h.
//
// A product is y[rows, outputs] = x[rows, depth] * w[outputs, depth]^T. Its right side is packed into groups of 16
// outputs: group[depth][16]. Its left side is copied, at most PVIT_PANEL_DEPTH columns at a time, into a panel whose
// rows are PVIT_PANEL_STRIDE floats apart. Every sum runs over the columns in order, with one fused multiply-add each:
// results have the same bits on every instruction set and however the work is cut.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PVIT_PANEL_DEPTH 256
// Not a multiple of a memory page: rows of a panel must not compete for the same cache lines.
#define PVIT_PANEL_STRIDE 272
// Rows in whole tiles on every instruction set.
#define PVIT_PANEL_ROWS 96

// Where the rows of a left side come from: row i of the product is the patch of maps [maps, height, width, channels]
// that a kernel covers at output i of [maps, output_height, output_width], in the order [kernel_height, kernel_width,
// channels]. Pixels are `stride` floats apart. A plain matrix is a map of one row of pixels and a kernel of 1 x 1.
typedef struct {
    const float *pixels;
    size_t height, width, channels, stride;
    size_t kernel_height, kernel_width;
    size_t step;    // pixels from one patch to the next, in both directions
    size_t padding; // zeros around each map
    size_t output_height, output_width;
} pvit_patches;

// Copies columns first_column..<first_column + depth of patches first_row..<first_row + rows into a panel.
void pvit_gather_patches(const pvit_patches *patches, size_t first_row, size_t rows, size_t first_column, size_t depth,
                         float *restrict panel);

typedef enum { PVIT_FLOAT_F32 = 0, PVIT_FLOAT_F16 = 1, PVIT_FLOAT_BF16 = 2 } pvit_float_type;

typedef enum {
    PVIT_ACTIVATION_NONE = 0,
    PVIT_ACTIVATION_RELU = 1,
    PVIT_ACTIVATION_QUICK_GELU = 2, // x / (1 + exp(-1.702 x))
} pvit_activation;

// What becomes of the sums of a product: y = activation(sum * scale + shift + residual). Absent parts are NULL.
typedef struct {
    const float *scale;    // [outputs]
    const float *shift;    // [outputs]
    const float *residual; // [rows, outputs], rows `residual_stride` apart; may be y itself
    size_t residual_stride;
    pvit_activation activation;
} pvit_epilogue;

typedef struct {
    pvit_isa isa;

    // Packs rows of w[rows, columns], `stride` numbers apart, as lanes first_lane..<first_lane + rows (at most 16) of a
    // group. Column c * taps + t goes to place t * (columns / taps) + c: kernels [outputs, channels, taps] in the order
    // of patches.
    void (*pack_rows)(const void *restrict w, pvit_float_type type, size_t rows, size_t columns, size_t stride,
                      size_t taps, size_t first_lane, float *restrict group);
    // sums[row][16 * groups], rows `sums_stride` apart, (+)= panel[rows, depth] times groups `group_stride` floats
    // apart. `accumulate` 0 begins from zeros.
    void (*multiply_panel)(const float *restrict panel, size_t rows, size_t depth, const float *restrict groups_start,
                           size_t groups, size_t group_stride, int accumulate, float *restrict sums,
                           size_t sums_stride);
    // y[rows, outputs] from sums[rows, outputs], whose rows are at least `outputs` rounded up to 16 long. Elements of y
    // past `outputs` are left alone: other threads may be writing them.
    void (*finish)(const float *restrict sums, size_t sums_stride, size_t rows, size_t outputs, pvit_epilogue epilogue,
                   float *y, size_t y_stride);

    // result = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias. arXiv 1607.06450. `result` may be `x`.
    void (*layer_norm)(const float *x, const float *weight, const float *bias, size_t count, float epsilon,
                       float *result);
    // x = softmax(scale * x), in place; exp is accurate to 2 units in the last place.
    void (*softmax)(float *x, size_t count, float scale);
    // result[i] = sum over `count` rows of weights[row] * rows[row][i], for `width` floats.
    void (*weighted_sum)(const float *const *rows, const float *restrict weights, size_t count, size_t width,
                         float *restrict result);

    // Fused multiply-adds of floats in registers, for benchmarks; returns how many operations (two each) that was.
    // `checksum` is input and output.
    uint64_t (*fma_probe)(size_t iterations, float *checksum);
} pvit_float_kernels;

// pixels[count, channels] from planes[channels, count].
void pvit_interleave(const float *restrict planes, size_t channels, size_t count, float *restrict pixels);

// The kernels for an instruction set, or NULL when the processor or the operating system does not support it.
const pvit_float_kernels *pvit_float_kernels_for(pvit_isa isa);
// The best supported set.
const pvit_float_kernels *pvit_float_kernels_best(void);
