// Products of q8 weights, four rows to a register, four columns to a lane. An activation of 16 bits is 256 times a
// signed byte plus a signed byte, and each byte has its own dot product. Included after PVIT_NEON_DOT is defined.
#pragma once

#include "quantized/product_of_q8.h"
#include "quantized/neon_sums.h"
#include "quantized/neon_wide_codes.h"

// 32 columns of `quarters` times four rows, times `tokens` tokens. `scales` and `codes` are those of the first row, `x`
// starts at the first of the columns.
PVIT_INLINE void add_unit(const uint8_t *scales, const uint8_t *codes, pvit_wide_activations x, size_t columns,
                          float32x4_t sums[4][GROUP_TOKENS], int tokens, int quarters) {
    int32x4_t high[4][GROUP_TOKENS], low[4][GROUP_TOKENS];
    PVIT_UNROLL
    for (int q = 0; q < quarters; q++) {
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) high[q][t] = low[q][t] = vdupq_n_s32(0);
    }
    PVIT_UNROLL
    for (int half = 0; half < 2; half++) {
        code_bytes bytes[GROUP_TOKENS];
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) bytes[t] = split_codes(x.codes + (size_t)t * columns + 16 * half);
        PVIT_UNROLL
        for (int j = 0; j < 4; j++) {
            PVIT_UNROLL
            for (int q = 0; q < quarters; q++) {
                uint8x16_t biased = vld1q_u8(codes + (4 * half + j) * PVIT_CODE_WORD + 16 * q);
                int8x16_t weights = vreinterpretq_s8_u8(veorq_u8(biased, vdupq_n_u8(128)));
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++) {
                    high[q][t] = add_dots(high[q][t], weights, four_of(bytes[t].high, j));
                    low[q][t] = add_dots(low[q][t], weights, four_of(bytes[t].low, j));
                }
            }
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < quarters; q++) {
        float32x4_t scale = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(scales + 8 * q)));
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            int32x4_t dots = vaddq_s32(vshlq_n_s32(high[q][t], 8), low[q][t]);
            float32x4_t term = vmulq_f32(vcvtq_f32_s32(dots), scale);
            sums[q][t] = vfmaq_n_f32(sums[q][t], term, x.scales[(size_t)t * (columns / 32)]);
        }
    }
}

#include "quantized/neon_product_body.h"
