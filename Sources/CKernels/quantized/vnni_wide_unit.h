// 32 numbers of 16 bits and their products with 8-bit codes of sixteen rows, four columns to a lane. Included after the
// lanes of an instruction set and after PVIT_ATTENTION_QUERIES is defined.
#pragma once

#include "common/lanes.h"
#include "quantized/vnni_products.h"

typedef struct {
    int8_t codes[2][8][4]; // [high bytes, low bytes][columns / 4][columns]
    int32_t start;         // of dot products: what the excess of the rows' codes adds, negative
    float scale;
} wide_unit;

PVIT_INLINE void set_unit(i16x32 codes, int32_t sum, wide_unit *unit) {
    int16_t numbers[32];
    memcpy(numbers, &codes, sizeof numbers);
    split_codes(numbers, unit->codes);
    unit->start = -128 * sum;
}

// The dot products of `queries` units, `distance` apart, with sixteen rows of codes, whose next four columns are `step`
// bytes on.
PVIT_INLINE void multiply_unit(const uint8_t *codes, size_t step, const wide_unit *x, size_t distance, i32x16 *dots,
                               int queries) {
    row_ints high[PVIT_ATTENTION_QUERIES][GROUP_REGISTERS], low[PVIT_ATTENTION_QUERIES][GROUP_REGISTERS];
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        PVIT_UNROLL
        for (int r = 0; r < GROUP_REGISTERS; r++) {
            high[q][r] = equal_ints(0);
            low[q][r] = equal_ints(x[(size_t)q * distance].start);
        }
    }
    PVIT_UNROLL
    for (size_t j = 0; j < 8; j++) {
        PVIT_UNROLL
        for (int r = 0; r < GROUP_REGISTERS; r++) {
            row_ints bytes = load_ints(codes + j * step + r * REGISTER_BYTES);
            PVIT_UNROLL
            for (int q = 0; q < queries; q++) {
                const wide_unit *unit = x + (size_t)q * distance;
                high[q][r] = add_byte_dot(high[q][r], bytes, four_codes(unit->codes[0][j]));
                low[q][r] = add_byte_dot(low[q][r], bytes, four_codes(unit->codes[1][j]));
            }
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        row_ints sums[GROUP_REGISTERS];
        PVIT_UNROLL
        for (int r = 0; r < GROUP_REGISTERS; r++) sums[r] = add_ints(times_256(high[q][r]), low[q][r]);
        memcpy(&dots[q], sums, sizeof dots[q]);
    }
}
