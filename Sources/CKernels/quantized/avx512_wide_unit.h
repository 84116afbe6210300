// 32 numbers of 16 bits and their products with 8-bit codes of sixteen rows, four columns to a lane. Included by
// kernels.c after PVIT_ATTENTION_QUERIES is defined.
#pragma once

#include "quantized/avx512_weights.h"
#include "common/lanes.h"

typedef struct {
    int8_t codes[8][2][4]; // [columns / 4][high byte, low byte][columns]
    int32_t start;         // of dot products: what the excess of the rows' codes adds, negative
    float scale;
} wide_unit;

PVIT_INLINE void set_unit(i16x32 codes, int32_t sum, wide_unit *unit) {
    pvit_split_codes((__m512i)codes, unit->codes);
    unit->start = -128 * sum;
}

// The dot products of `queries` units, `distance` apart, with sixteen rows of codes, whose next four columns are `step`
// bytes on.
PVIT_INLINE void multiply_unit(const uint8_t *codes, size_t step, const wide_unit *x, size_t distance, i32x16 *dots,
                               int queries) {
    __m512i high[PVIT_ATTENTION_QUERIES], low[PVIT_ATTENTION_QUERIES];
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        high[q] = _mm512_setzero_si512();
        low[q] = _mm512_set1_epi32(x[(size_t)q * distance].start);
    }
    PVIT_UNROLL
    for (size_t j = 0; j < 8; j++) {
        __m512i four = _mm512_loadu_si512(codes + j * step);
        PVIT_UNROLL
        for (int q = 0; q < queries; q++) {
            const wide_unit *unit = x + (size_t)q * distance;
            high[q] = _mm512_dpbusd_epi32(high[q], four, pvit_four_codes(unit->codes[j][0]));
            low[q] = _mm512_dpbusd_epi32(low[q], four, pvit_four_codes(unit->codes[j][1]));
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) dots[q] = (i32x16)_mm512_add_epi32(_mm512_slli_epi32(high[q], 8), low[q]);
}
