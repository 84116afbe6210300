// The sums of a group's rows with a few tokens, four rows to a register: [quarters of the rows][tokens].
#pragma once

#include "common/neon.h"

// The tokens that weights are decoded for at a time.
#define GROUP_TOKENS 4

PVIT_INLINE void start_sums(float32x4_t sums[4][GROUP_TOKENS], int tokens, int quarters) {
    PVIT_UNROLL
    for (int q = 0; q < quarters; q++) {
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) sums[q][t] = vdupq_n_f32(0);
    }
}
PVIT_INLINE void store_sums(float32x4_t sums[4][GROUP_TOKENS], float tile_scale, float *y, size_t stride, int tokens,
                            int quarters) {
    PVIT_UNROLL
    for (int q = 0; q < quarters; q++) {
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++)
            vst1q_f32(y + (size_t)t * stride + 4 * (size_t)q, vmulq_n_f32(sums[q][t], tile_scale));
    }
}
