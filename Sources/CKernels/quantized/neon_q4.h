// Products of q4 weights, four rows to a register, four columns to a lane. Weights are decoded in registers and used
// for up to four tokens. Included after PVIT_NEON_DOT is defined.
#pragma once

#include "quantized/product_of_q4.h"
#include "quantized/neon_sums.h"

// The scales of four rows from the magnitudes of their fields.
PVIT_INLINE float32x4_t q4_scales(uint16x4_t magnitudes) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vshl_n_u16(magnitudes, PVIT_Q4_SCALE_SHIFT)));
}

// 32 columns of `quarters` times four rows, times `tokens` tokens. `fields` and `codes` are those of the first row, `x`
// starts at the first of the columns.
PVIT_INLINE void add_unit(const uint8_t *fields, const uint8_t *codes, pvit_activations x, size_t columns,
                          float32x4_t sums[4][GROUP_TOKENS], int tokens, int quarters) {
    int8x16_t codebook = vld1q_s8(pvit_q4_codebook);
    float32x4_t scales[2][4], terms[4][GROUP_TOKENS];
    PVIT_UNROLL
    for (int q = 0; q < quarters; q++) {
        PVIT_UNROLL
        for (int block = 0; block < 2; block++) {
            uint32_t four;
            memcpy(&four, fields + 16 * block + 4 * q, sizeof four);
            uint8x8_t bytes = vreinterpret_u8_u32(vdup_n_u32(four & 0x7F7F7F7F));
            scales[block][q] = q4_scales(vget_low_u16(vmovl_u8(bytes)));
        }
        float32x4_t unbias = vmulq_n_f32(vaddq_f32(scales[0][q], scales[1][q]), -PVIT_INTEGER_BIAS);
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) terms[q][t] = unbias;
    }
    PVIT_UNROLL
    for (int block = 0; block < 2; block++) {
        int32x4_t dots[4][GROUP_TOKENS];
        PVIT_UNROLL
        for (int q = 0; q < quarters; q++) {
            uint32_t four;
            memcpy(&four, fields + 16 * block + 4 * q, sizeof four);
            int8x8_t bytes = vreinterpret_s8_u32(vdup_n_u32(four));
            int32x4_t shifted = vshrq_n_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))), 31); // all ones where it is
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                int32_t shift = PVIT_Q4_SHIFT * x.sums[(size_t)t * (columns / 16) + (size_t)block];
                dots[q][t] = vaddq_s32(vdupq_n_s32(PVIT_INTEGER_BIAS_BITS), vandq_s32(shifted, vdupq_n_s32(shift)));
            }
        }
        PVIT_UNROLL
        for (int j = 2 * block; j < 2 * block + 2; j++) {
            PVIT_UNROLL
            for (int q = 0; q < quarters; q++) {
                uint8x16_t bytes = vld1q_u8(codes + j * PVIT_CODE_WORD + 16 * q);
                int8x16_t low = vqtbl1q_s8(codebook, vandq_u8(bytes, vdupq_n_u8(15)));
                int8x16_t high = vqtbl1q_s8(codebook, vshrq_n_u8(bytes, 4));
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++) {
                    const int8_t *eight = x.codes + (size_t)t * columns + 8 * j;
                    dots[q][t] = add_dots(dots[q][t], low, four_codes(eight));
                    dots[q][t] = add_dots(dots[q][t], high, four_codes(eight + 4));
                }
            }
        }
        PVIT_UNROLL
        for (int q = 0; q < quarters; q++) {
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++)
                terms[q][t] = vfmaq_f32(terms[q][t], vreinterpretq_f32_s32(dots[q][t]), scales[block][q]);
        }
    }
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        float32x4_t scale = vdupq_n_f32(x.scales[(size_t)t * (columns / 32)]);
        PVIT_UNROLL
        for (int q = 0; q < quarters; q++) sums[q][t] = vfmaq_f32(sums[q][t], terms[q][t], scale);
    }
}

#include "quantized/neon_product_body.h"
