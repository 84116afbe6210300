#if defined(__x86_64__)
#include <immintrin.h>

#include "common/variants.h"

#define PVIT_VARIANT(name) pvit_avx512_##name

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))),              \
                             apply_to = function)
#define PVIT_LANES 16
#include "encoding/lanes.h"

PVIT_ENCODER_INLINE lanes lookup32(const float table[32], int_lanes index) {
    return (lanes)_mm512_permutex2var_ps(_mm512_loadu_ps(table), (__m512i)index, _mm512_loadu_ps(table + 16));
}
PVIT_ENCODER_INLINE lanes lookup16(const float table[16], int_lanes index) {
    return (lanes)_mm512_permutexvar_ps((__m512i)index, _mm512_loadu_ps(table));
}

#include "encoding/feedback.h"
#include "encoding/project.h"
#pragma clang attribute pop
#endif
