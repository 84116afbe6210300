// The body for NEON with or without dot-product instructions, and the table of its kernels. Included after
// PVIT_NEON_DOT is defined.

#include "block_layout.h"
#include "common/neon.h"

#include "common/lanes.h"
#include "common/variants.h"

PVIT_INLINE f32x16 from_f16(u16x16 x) {
    uint16_t halves[16];
    memcpy(halves, &x, sizeof halves);
    float32x4_t parts[4];
    PVIT_UNROLL
    for (int i = 0; i < 4; i++) parts[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(halves + 4 * i)));
    f32x16 result;
    memcpy(&result, parts, sizeof result);
    return result;
}
PVIT_INLINE u16x16 to_f16(f32x16 x) {
    float32x4_t parts[4];
    memcpy(parts, &x, sizeof parts);
    uint16x4_t halves[4];
    PVIT_UNROLL
    for (int i = 0; i < 4; i++) halves[i] = vreinterpret_u16_f16(vcvt_f16_f32(parts[i]));
    u16x16 result;
    memcpy(&result, halves, sizeof result);
    return result;
}
PVIT_INLINE float f16_number(uint16_t half) {
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0);
}

// The sums of these fit 32 registers, four for sixteen lanes.
#define PVIT_ATTENTION_QUERIES 2
#define PVIT_ATTENTION_GROUPS 2

#include "quantized/neon_wide_unit.h"
#include "common/body.h"

PVIT_TARGET static uint64_t dot_probe(size_t iterations, uint32_t *checksum) {
    int8x16_t weights = vdupq_n_s8(3), codes = vreinterpretq_s8_u32(vdupq_n_u32(*checksum & 0x7F7F7F7F));
    int32x4_t dots[PROBE_CHAINS];
    PVIT_UNROLL
    for (int i = 0; i < PROBE_CHAINS; i++) dots[i] = vdupq_n_s32(i);
    for (size_t iteration = 0; iteration < iterations; iteration++) {
        PVIT_UNROLL
        for (int i = 0; i < PROBE_CHAINS; i++) {
            __asm__ volatile("" : "+w"(codes)); // no shortcuts
            dots[i] = add_dots(dots[i], weights, codes);
        }
    }
    PVIT_UNROLL
    for (int i = 1; i < PROBE_CHAINS; i++) dots[0] = vaddq_s32(dots[0], dots[i]);
    *checksum = (uint32_t)vaddvq_s32(dots[0]);
    return (uint64_t)iterations * PROBE_CHAINS * 32;
}

// clang-format off
#if PVIT_NEON_DOT
const pvit_kernels pvit_neon_dot_kernels = {
    .isa = PVIT_ISA_NEON_DOT,
    .name = "neon-dot",
    PVIT_QUANTIZED_PRODUCTS(PVIT_FROM_NEON_DOT)
#else
const pvit_kernels pvit_neon_kernels = {
    .isa = PVIT_ISA_NEON,
    .name = "neon",
    PVIT_QUANTIZED_PRODUCTS(PVIT_FROM_NEON)
#endif
    PVIT_BODY_KERNELS(PVIT_OWN)
    PVIT_PANEL_KERNELS(PVIT_FROM_NEON)
    // The encoders are written in vector types, which the compiler maps to NEON by itself.
    PVIT_ENCODERS(PVIT_FROM_SCALAR)
};
// clang-format on
