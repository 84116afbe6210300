// What both encoders do with a group before and after their search.
#pragma once

#include "encoding/vectors.h"

// columns[column][16 rows] = w[row, column]; rows from `rows` on are zero.
PVIT_ENCODER_INLINE void transpose_group(const float *w, size_t rows, size_t columns, size_t stride, float *transposed) {
    for (size_t start = 0; start < columns; start += 16) {
        for (size_t row = 0; row < 16; row++) {
            const float *source = w + row * stride + start;
            float *destination = transposed + start * 16 + row;
            for (size_t i = 0; i < 16; i++) destination[i * 16] = row < rows ? source[i] : 0;
        }
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
static ptrdiff_t scan_rows(const float *w, size_t rows, size_t columns, size_t stride, float *maximum) {
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
