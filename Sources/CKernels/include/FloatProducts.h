// The operands of float32 matrix products and convolutions. Included by CKernels.h.
//
// A product is y[rows, outputs] = x[rows, depth] * w[outputs, depth]^T. Its right side is packed into groups of 16
// outputs: group[depth][16]. Its left side is copied, at most PVIT_PANEL_DEPTH columns at a time, into a panel whose
// rows are PVIT_PANEL_STRIDE floats apart. Every sum runs over the columns in order, with one fused multiply-add each.
// Results therefore have the same bits on every instruction set, and however the work is split.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PVIT_PANEL_DEPTH 256
// Not a multiple of a memory page: rows of a panel must not compete for the same cache lines.
#define PVIT_PANEL_STRIDE 272
// Rows in whole tiles on every instruction set.
#define PVIT_PANEL_ROWS 96

// The left side of a convolution as a matrix (im2col): row i holds the window of maps [maps, height, width, channels]
// that the kernel covers for output i of [maps, output_height, output_width]; its columns are [kernel_height,
// kernel_width, channels]. The rows are gathered when they are needed and never stored as a whole. A plain matrix is a
// map of one row of pixels with a kernel of 1 x 1.
typedef struct {
    const float *pixels;
    size_t height, width, channels;
    size_t pixel_stride; // floats from one pixel to the next
    size_t kernel_height, kernel_width;
    size_t stride;  // pixels from one window to the next, in both directions
    size_t padding; // zeros around each map
    size_t output_height, output_width;
} pvit_im2col;

// Copies columns first_column..<first_column + depth of rows first_row..<first_row + rows into a panel.
void pvit_im2col_gather(const pvit_im2col *layout, size_t first_row, size_t rows, size_t first_column, size_t depth,
                        float *restrict panel);

typedef enum { PVIT_FLOAT_F32 = 0, PVIT_FLOAT_F16 = 1, PVIT_FLOAT_BF16 = 2 } pvit_float_type;

typedef enum {
    PVIT_ACTIVATION_NONE = 0,
    PVIT_ACTIVATION_RELU = 1,
    PVIT_ACTIVATION_QUICK_GELU = 2, // x / (1 + exp(-1.702 x))
} pvit_activation;

// Applied to the sums of a product: y = activation(sum * scale + shift + residual). Absent terms are NULL.
typedef struct {
    const float *scale;    // [outputs]
    const float *shift;    // [outputs]
    const float *residual; // [rows, outputs], rows `residual_stride` apart; may be y itself
    size_t residual_stride;
    pvit_activation activation;
} pvit_epilogue;

// pixels[count, channels] from planes[channels, count].
void pvit_interleave(const float *restrict planes, size_t channels, size_t count, float *restrict pixels);
