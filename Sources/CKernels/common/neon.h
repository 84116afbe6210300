// Dot products of four signed bytes in each of four lanes, with the instruction for it if PVIT_NEON_DOT is 1.
#pragma once

#include <arm_neon.h>

#include "common/numerics.h"

#if PVIT_NEON_DOT
#define PVIT_TARGET __attribute__((target("dotprod")))
#define KERNEL(member) pvit_neon_dot_##member
#else
#define PVIT_TARGET
#define KERNEL(member) pvit_neon_##member
#endif
#define PVIT_INLINE static inline __attribute__((always_inline)) PVIT_TARGET
#define PVIT_UNROLL _Pragma("clang loop unroll(full)")

// The four codes at `from` in every lane.
PVIT_INLINE int8x16_t four_codes(const int8_t *from) {
    int32_t four;
    memcpy(&four, from, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

// sums + the products of four weights and four codes in each lane. Exact: weights are within +-127, so two products fit
// 16 bits.
PVIT_INLINE int32x4_t add_dots(int32x4_t sums, int8x16_t weights, int8x16_t codes) {
#if PVIT_NEON_DOT
    return vdotq_s32(sums, weights, codes);
#else
    int16x8_t low = vmull_s8(vget_low_s8(weights), vget_low_s8(codes)), high = vmull_high_s8(weights, codes);
    return vpadalq_s16(sums, vpaddq_s16(low, high));
#endif
}
