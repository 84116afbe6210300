#if defined(__x86_64__)
#include <immintrin.h>

#include "common/variants.h"

#define PVIT_VARIANT(name) pvit_avx2_##name

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define PVIT_LANES 8
#include "encoding/lanes.h"

// Eight table entries a register: the low three bits of an index choose the entry, the others the register.
PVIT_ENCODER_INLINE lanes lookup16(const float table[16], int_lanes index) {
    __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), (__m256i)index);
    __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), (__m256i)index);
    return (lanes)_mm256_blendv_ps(low, high, (__m256)(index << 28));
}
PVIT_ENCODER_INLINE lanes lookup32(const float table[32], int_lanes index) {
    lanes low = lookup16(table, index), high = lookup16(table + 16, index);
    return (lanes)_mm256_blendv_ps((__m256)low, (__m256)high, (__m256)(index << 27));
}

#include "encoding/feedback.h"
#include "encoding/project.h"
#pragma clang attribute pop
#endif
