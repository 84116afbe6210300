// 32 numbers of 16 bits and their products with 8-bit codes of sixteen rows, four columns to a lane. Included by
// neon_kernels.h after PVIT_ATTENTION_QUERIES is defined.

#include "quantized/neon_wide_codes.h"

typedef struct {
    int8_t high[32], low[32]; // a number is 256 times the high byte plus the low byte
    float scale;
} wide_unit;

PVIT_INLINE void set_unit(i16x32 numbers, int32_t sum, wide_unit *unit) {
    int16_t codes[32];
    memcpy(codes, &numbers, sizeof codes);
    (void)sum; // the excess of the rows' codes is taken away first
    PVIT_UNROLL
    for (int half = 0; half < 2; half++) {
        code_bytes bytes = split_codes(codes + 16 * half);
        vst1q_s8(unit->high + 16 * half, bytes.high);
        vst1q_s8(unit->low + 16 * half, bytes.low);
    }
}

// The dot products of `queries` units, `distance` apart, with sixteen rows of codes, whose next four columns are `step`
// bytes on.
PVIT_INLINE void multiply_unit(const uint8_t *codes, size_t step, const wide_unit *x, size_t distance, i32x16 *dots,
                               int queries) {
    int32x4_t high[PVIT_ATTENTION_QUERIES][4], low[PVIT_ATTENTION_QUERIES][4]; // [queries][quarters of the rows]
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        PVIT_UNROLL
        for (int quarter = 0; quarter < 4; quarter++) high[q][quarter] = low[q][quarter] = vdupq_n_s32(0);
    }
    PVIT_UNROLL
    for (int j = 0; j < 8; j++) {
        PVIT_UNROLL
        for (int quarter = 0; quarter < 4; quarter++) {
            uint8x16_t biased = vld1q_u8(codes + (size_t)j * step + 16 * (size_t)quarter);
            int8x16_t rows = vreinterpretq_s8_u8(veorq_u8(biased, vdupq_n_u8(128)));
            PVIT_UNROLL
            for (int q = 0; q < queries; q++) {
                const wide_unit *unit = x + (size_t)q * distance;
                high[q][quarter] = add_dots(high[q][quarter], rows, four_codes(unit->high + 4 * j));
                low[q][quarter] = add_dots(low[q][quarter], rows, four_codes(unit->low + 4 * j));
            }
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < queries; q++) {
        PVIT_UNROLL
        for (int quarter = 0; quarter < 4; quarter++)
            low[q][quarter] = vaddq_s32(vshlq_n_s32(high[q][quarter], 8), low[q][quarter]);
        memcpy(&dots[q], low[q], sizeof dots[q]);
    }
}
