// The common steps of both encoders, before and after their search.
#pragma once

#include "encoding/lanes.h"

// Sixteen columns of a row, or sixteen rows of a column, for registers of any width.
typedef float group_row __attribute__((ext_vector_type(16)));

// The transpose of 16 × 16 numbers. Each of four rounds interleaves the first eight rows with the last eight.
PVIT_ENCODER_INLINE void transpose_square(group_row square[16]) {
    PVIT_ENCODER_UNROLL
    for (int round = 0; round < 4; round++) {
        group_row interleaved[16];
        PVIT_ENCODER_UNROLL
        for (int i = 0; i < 8; i++) {
            group_row a = square[i], b = square[i + 8];
            interleaved[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            interleaved[2 * i + 1] =
                __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        PVIT_ENCODER_UNROLL
        for (int i = 0; i < 16; i++) square[i] = interleaved[i];
    }
}

// columns[column][16 rows] = w[row, column]; rows from `rows` on are zero.
PVIT_ENCODER_INLINE void transpose_group(const float *w, size_t rows, size_t columns, size_t stride,
                                         float *transposed) {
    for (size_t start = 0; start < columns; start += 16) {
        group_row square[16];
        PVIT_ENCODER_UNROLL
        for (size_t row = 0; row < 16; row++) {
            square[row] = 0;
            if (row < rows) memcpy(&square[row], w + row * stride + start, sizeof square[row]);
        }
        transpose_square(square);
        memcpy(transposed + start * 16, square, sizeof square);
    }
}

// 1 / scale, and 0 for a scale of zero.
PVIT_ENCODER_INLINE lanes inverse_scale(lanes scale) {
    int_lanes occupied = scale > 0;
    return choose(occupied, 1.0f / choose(occupied, scale, (lanes)1.0f), (lanes)0.0f);
}

// Error sums of PVIT_LANES rows.
typedef struct {
    double_lanes squared_error, squared_sum;
    lanes maximum_error;
} row_errors;

PVIT_ENCODER_INLINE void count_error(row_errors *errors, lanes original, lanes decoded) {
    lanes difference = original - decoded;
    double_lanes wide = __builtin_convertvector(difference, double_lanes);
    double_lanes wide_original = __builtin_convertvector(original, double_lanes);
    errors->squared_error += wide * wide;
    errors->squared_sum += wide_original * wide_original;
    errors->maximum_error = larger(magnitude(difference), errors->maximum_error);
}

// Adds the rows in their order.
PVIT_ENCODER_INLINE void add_errors(pvit_error_sums *sums, row_errors errors) {
    for (int lane = 0; lane < PVIT_LANES; lane++) {
        sums->squared_error += errors.squared_error[lane];
        sums->squared_sum += errors.squared_sum[lane];
        double maximum = errors.maximum_error[lane];
        sums->maximum_error = maximum > sums->maximum_error ? maximum : sums->maximum_error;
    }
}

// The first row with an element that is not finite, or -1, when *maximum is the largest magnitude.
ptrdiff_t PVIT_VARIANT(scan_rows)(const float *w, size_t rows, size_t columns, size_t stride, float *maximum) {
    int_lanes largest = 0; // magnitudes of floats are ordered as integers
    for (size_t row = 0; row < rows; row++) {
        const float *source = w + row * stride;
        for (size_t column = 0; column < columns; column += PVIT_LANES) {
            int_lanes bits = (int_lanes)load_lanes(source + column) & 0x7FFFFFFF;
            largest = choose_int(bits > largest, bits, largest);
        }
        int_lanes infinite = largest >= 0x7F800000;
        int any = 0;
        for (int lane = 0; lane < PVIT_LANES; lane++) any |= infinite[lane];
        if (any) return (ptrdiff_t)row;
    }
    int32_t bits = 0;
    for (int lane = 0; lane < PVIT_LANES; lane++) bits = largest[lane] > bits ? largest[lane] : bits;
    *maximum = pvit_bits_float((uint32_t)bits);
    return -1;
}
