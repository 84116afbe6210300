// Vectors of sixteen lanes for registers of any width. The float kernels are written once with these, and compiled for
// each instruction set. The instruction set's header comes first and defines how halves are loaded and stored.
#pragma once

#include "common/numerics.h"

// Loads and stores need no alignment.
typedef float f32x16 __attribute__((ext_vector_type(16), aligned(64)));
typedef int32_t i32x16 __attribute__((ext_vector_type(16), aligned(64)));
typedef float f32x4 __attribute__((ext_vector_type(4)));
typedef uint32_t u32x16 __attribute__((ext_vector_type(16), aligned(64)));
typedef uint16_t u16x16 __attribute__((ext_vector_type(16), aligned(32)));
typedef int16_t i16x16 __attribute__((ext_vector_type(16), aligned(32)));
typedef int16_t i16x32 __attribute__((ext_vector_type(32), aligned(64)));
typedef int8_t i8x16 __attribute__((ext_vector_type(16), aligned(16)));

#define PVIT_MULTIPLY_ADD(a, b, c) __builtin_elementwise_fma(a, b, c)

PVIT_INLINE f32x16 load_f32(const float *from) {
    f32x16 x;
    memcpy(&x, from, sizeof x);
    return x;
}

PVIT_INLINE void store_f32(f32x16 x, float *to) { memcpy(to, &x, sizeof x); }

PVIT_INLINE f32x16 splat(float x) { return (f32x16)x; }

// The first `count` < 16 numbers, then zeros.
PVIT_INLINE f32x16 load_f32_part(const float *from, size_t count) {
    float buffer[16] = {0};
    memcpy(buffer, from, count * sizeof *buffer);
    return load_f32(buffer);
}

PVIT_INLINE void store_f32_part(f32x16 x, float *to, size_t count) {
    float buffer[16];
    store_f32(x, buffer);
    memcpy(to, buffer, count * sizeof *buffer);
}

PVIT_INLINE f32x16 from_bf16(u16x16 x) {
    u32x16 bits = __builtin_convertvector(x, u32x16) << 16;
    return (f32x16)bits;
}

PVIT_INLINE u16x16 to_bf16(f32x16 x) {
    u32x16 bits = (u32x16)x;
    u32x16 rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    i32x16 is_nan = x != x;
    return __builtin_convertvector(is_nan ? (bits >> 16 | 0x40) : rounded, u16x16);
}

// The larger number; the second one if either is NaN.
PVIT_INLINE f32x16 larger(f32x16 a, f32x16 b) { return a > b ? a : b; }

PVIT_INLINE f32x16 magnitude(f32x16 x) { return (f32x16)((u32x16)x & 0x7FFFFFFF); }

// As pvit_add_pairwise.
PVIT_INLINE float add_pairwise(f32x16 x) {
    typedef float f32x8 __attribute__((ext_vector_type(8)));
    f32x8 eight = x.lo + x.hi;
    f32x4 four = eight.lo + eight.hi;
    return (four[0] + four[2]) + (four[1] + four[3]);
}

PVIT_INLINE float largest(f32x16 x) {
    x = larger(x, __builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    x = larger(x, __builtin_shufflevector(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    float pair[2] = {x[0] > x[2] ? x[0] : x[2], x[1] > x[3] ? x[1] : x[3]};
    return pair[0] > pair[1] ? pair[0] : pair[1];
}

// As pvit_exp.
PVIT_INLINE f32x16 exponential(f32x16 x) {
    f32x16 bias = splat(PVIT_INTEGER_BIAS);
    f32x16 shifted = PVIT_MULTIPLY_ADD(x, splat(PVIT_EXP_LOG2_E), bias);
    f32x16 n = shifted - bias;
    f32x16 r = PVIT_MULTIPLY_ADD(n, splat(-PVIT_EXP_LN2_HIGH), x);
    r = PVIT_MULTIPLY_ADD(n, splat(-PVIT_EXP_LN2_LOW), r);
    f32x16 p = splat(PVIT_EXP_C7);
    p = PVIT_MULTIPLY_ADD(p, r, splat(PVIT_EXP_C6));
    p = PVIT_MULTIPLY_ADD(p, r, splat(PVIT_EXP_C5));
    p = PVIT_MULTIPLY_ADD(p, r, splat(PVIT_EXP_C4));
    p = PVIT_MULTIPLY_ADD(p, r, splat(PVIT_EXP_C3));
    p = PVIT_MULTIPLY_ADD(p, r, splat(PVIT_EXP_C2));
    p = PVIT_MULTIPLY_ADD(p, r * r, r) + splat(1.0f);
    f32x16 scaled = (f32x16)((u32x16)p + ((u32x16)shifted << 23));
    scaled = x <= splat(PVIT_EXP_HIGHEST) ? scaled : x + splat(INFINITY);
    return x < splat(PVIT_EXP_LOWEST) ? splat(0) : scaled;
}
