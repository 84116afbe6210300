// 32 numbers of 16 bits and their products with 8-bit codes of sixteen rows. Included after PVIT_ATTENTION_QUERIES
// is defined.
#pragma once

#include "quantized/avx2_wide_codes.h"
#include "common/lanes.h"

typedef struct {
    int16_t codes[32];
    int32_t start; // of dot products: what the excess of the rows' codes adds, negative
    float scale;
} wide_unit;

PVIT_INLINE void set_unit(i16x32 codes, int32_t sum, wide_unit *unit) {
    memcpy(unit->codes, &codes, sizeof unit->codes);
    unit->start = -128 * sum;
}

// The dot products of `queries` units, `distance` apart, with sixteen rows of codes, whose next four columns are `step`
// bytes on.
PVIT_INLINE void multiply_unit(const uint8_t *codes, size_t step, const wide_unit *x, size_t distance, i32x16 *dots,
                               int queries) {
    __m256i sums[PVIT_ATTENTION_QUERIES][2]; // [queries][halves of the rows]
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) sums[q][0] = sums[q][1] = _mm256_set1_epi32(x[(size_t)q * distance].start);
    PVIT_UNROLL
    for (size_t j = 0; j < 8; j++) {
        PVIT_UNROLL
        for (int half = 0; half < 2; half++) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(codes + j * step + 32 * (size_t)half));
            __m256i first = first_codes(bytes), second = second_codes(bytes);
            PVIT_UNROLL
            for (int q = 0; q < queries; q++) {
                const int16_t *four = x[(size_t)q * distance].codes + 4 * j;
                __m256i dot = _mm256_add_epi32(_mm256_madd_epi16(first, two_codes(four)),
                                               _mm256_madd_epi16(second, two_codes(four + 2)));
                sums[q][half] = _mm256_add_epi32(sums[q][half], dot);
            }
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) memcpy(&dots[q], sums[q], sizeof dots[q]);
}
