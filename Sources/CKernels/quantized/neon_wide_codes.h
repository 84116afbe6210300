// Numbers of 16 bits as signed bytes, whose products with 8-bit codes NEON adds.
#pragma once

#include "common/neon.h"

// 16 activations as bytes of which `high` counts 256 times.
typedef struct {
    int8x16_t high, low;
} code_bytes;

PVIT_INLINE code_bytes split_codes(const int16_t *codes) {
    int8x16_t first = vreinterpretq_s8_s16(vld1q_s16(codes)), second = vreinterpretq_s8_s16(vld1q_s16(codes + 8));
    int8x16_t low = vuzp1q_s8(first, second);
    // A low byte of 128 or more is negative, which the high byte compensates.
    return (code_bytes){.high = vsubq_s8(vuzp2q_s8(first, second), vshrq_n_s8(low, 7)), .low = low};
}

// Four consecutive ones of 16 bytes in every lane.
PVIT_INLINE int8x16_t four_of(int8x16_t bytes, int four) {
    int32x4_t words = vreinterpretq_s32_s8(bytes);
    switch (four) {
    case 0: return vreinterpretq_s8_s32(vdupq_laneq_s32(words, 0));
    case 1: return vreinterpretq_s8_s32(vdupq_laneq_s32(words, 1));
    case 2: return vreinterpretq_s8_s32(vdupq_laneq_s32(words, 2));
    default: return vreinterpretq_s8_s32(vdupq_laneq_s32(words, 3));
    }
}
