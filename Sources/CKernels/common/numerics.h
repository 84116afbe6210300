// Arithmetic that every instruction set defines in the same way, one number at a time.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "CKernels.h"

// Products and sums are fused only where the code calls fma, so that results do not depend on the compiler.
#pragma STDC FP_CONTRACT OFF

// 1.5 * 2^23. A float in [2^23, 2^24) is an integer plus this constant, and its low mantissa bits are that integer.
// Therefore an addition converts integers up to +-2^22 to floats, and rounds floats to integers.
#define PVIT_INTEGER_BIAS 12582912.0f
#define PVIT_INTEGER_BIAS_BITS 0x4B400000

// Blocks of activations below this absolute maximum are stored as zeros, because 127 / maximum would overflow.
#define PVIT_ACTIVATION_MINIMUM 0x1p-100f

// The integers that a block of activations becomes before they are shifted to 16-bit codes.
typedef struct {
    float maximum; // the largest one
    int shift;
    float unit; // 2^-shift
} pvit_code_range;

static const pvit_code_range pvit_all_codes = {PVIT_WIDE_MAXIMUM, 0, 1};
static const pvit_code_range pvit_byte_codes = {127, 8, 0x1p-8f};

static inline pvit_code_range pvit_code_range_of(float maximum, float byte_limit) {
    return maximum <= byte_limit ? pvit_byte_codes : pvit_all_codes;
}

// exp(x) = 2^n * exp(r), n = round(x / ln 2), with the polynomial of Cephes' expf (S. Moshier). Below PVIT_EXP_LOWEST
// (-126 ln 2) the result is 0, above PVIT_EXP_HIGHEST (128 ln 2) infinity.
#define PVIT_EXP_LOWEST -87.33654f
#define PVIT_EXP_HIGHEST 88.72283f
#define PVIT_EXP_LOG2_E 1.44269504088896341f
#define PVIT_EXP_LN2_HIGH 0.693359375f
#define PVIT_EXP_LN2_LOW -2.12194440e-4f
#define PVIT_EXP_C7 1.9875691500e-4f
#define PVIT_EXP_C6 1.3981999507e-3f
#define PVIT_EXP_C5 8.3334519073e-3f
#define PVIT_EXP_C4 4.1665795894e-2f
#define PVIT_EXP_C3 1.6666665459e-1f
#define PVIT_EXP_C2 5.0000001201e-1f

static inline uint32_t pvit_float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float pvit_bits_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float pvit_f16_to_f32(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t magnitude = half & 0x7FFF;
    if (magnitude > 0x7C00) return pvit_bits_float(sign | 0x7FC00000 | magnitude << 13); // NaN, made quiet
    if (magnitude == 0x7C00) return pvit_bits_float(sign | 0x7F800000);
    if (magnitude >= 0x0400) return pvit_bits_float(sign | ((magnitude << 13) + (112u << 23)));
    return pvit_bits_float(sign | pvit_float_bits((float)magnitude * 0x1p-24f));
}

static inline uint16_t pvit_f32_to_f16(float x) {
    uint32_t bits = pvit_float_bits(x);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7FFFFFFF;
    if (magnitude > 0x7F800000) return (uint16_t)(sign | 0x7E00 | (magnitude >> 13 & 0x3FF));
    if (magnitude >= 0x477FF000) return sign | 0x7C00; // 65520 and more
    if (magnitude < 0x38800000) {
        // Below 2^-14: adding 0.5 leaves the number in units of 2^-24, rounded, in the low mantissa bits.
        float rounded = pvit_bits_float(magnitude) + 0.5f;
        return (uint16_t)(sign | (pvit_float_bits(rounded) - 0x3F000000));
    }
    uint32_t odd = magnitude >> 13 & 1;
    return (uint16_t)(sign | (magnitude - (112u << 23) + 0xFFF + odd) >> 13);
}

static inline float pvit_bf16_to_f32(uint16_t half) { return pvit_bits_float((uint32_t)half << 16); }

static inline uint16_t pvit_f32_to_bf16(float x) {
    uint32_t bits = pvit_float_bits(x);
    if ((bits & 0x7FFFFFFF) > 0x7F800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static inline float pvit_exp(float x) {
    float shifted = fmaf(x, PVIT_EXP_LOG2_E, PVIT_INTEGER_BIAS);
    float n = shifted - PVIT_INTEGER_BIAS;
    float r = fmaf(n, -PVIT_EXP_LN2_HIGH, x);
    r = fmaf(n, -PVIT_EXP_LN2_LOW, r);
    float p = PVIT_EXP_C7;
    p = fmaf(p, r, PVIT_EXP_C6);
    p = fmaf(p, r, PVIT_EXP_C5);
    p = fmaf(p, r, PVIT_EXP_C4);
    p = fmaf(p, r, PVIT_EXP_C3);
    p = fmaf(p, r, PVIT_EXP_C2);
    p = fmaf(p, r * r, r) + 1.0f;
    float scaled = pvit_bits_float(pvit_float_bits(p) + (pvit_float_bits(shifted) << 23));
    if (x < PVIT_EXP_LOWEST) return 0;
    return x <= PVIT_EXP_HIGHEST ? scaled : x + INFINITY; // NaN stays NaN
}

// Adds sixteen partial sums pairwise, those eight apart first. Every float sum ends like this.
static inline float pvit_add_pairwise(const float partial[16]) {
    float sums[16];
    memcpy(sums, partial, sizeof sums);
    for (int distance = 8; distance > 0; distance /= 2)
        for (int i = 0; i < distance; i++) sums[i] += sums[i + distance];
    return sums[0];
}

// Prefetches a stream of weights: first into the second-level cache, early enough to replace the processor's
// prefetcher, which stops at the end of a page, and from there into the first-level cache.
static inline void pvit_prefetch_stream(const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i += 64) {
        __builtin_prefetch((const char *)bytes + 2048 + i, 0, 3);
        __builtin_prefetch((const char *)bytes + 8192 + i, 0, 2);
    }
}

// Activations from `column` on, a multiple of 32.
static inline pvit_activations pvit_activations_at(pvit_activations x, size_t column) {
    return (pvit_activations){x.codes + column, x.scales + column / 32, x.sums + column / 16};
}
static inline pvit_wide_activations pvit_wide_activations_at(pvit_wide_activations x, size_t column) {
    return (pvit_wide_activations){x.codes + column, x.scales + column / 32, x.sums + column / 32};
}

// Activations from `token` on, a row of `columns` for each token.
static inline pvit_activations pvit_activations_from(pvit_activations x, size_t columns, size_t token) {
    x.codes += token * columns;
    x.scales += token * (columns / 32);
    x.sums += token * (columns / 16);
    return x;
}
static inline pvit_wide_activations pvit_wide_activations_from(pvit_wide_activations x, size_t columns, size_t token) {
    x.codes += token * columns;
    x.scales += token * (columns / 32);
    x.sums += token * (columns / 32);
    return x;
}
