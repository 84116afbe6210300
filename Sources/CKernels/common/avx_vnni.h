// What the functions of this folder are compiled for.
#pragma once

#include <immintrin.h>

#include "common/numerics.h"

// Where a processor has AVX-512 VNNI instead, a test compiles the same instructions in that encoding.
#ifdef PVIT_AVX_VNNI_OF_AVX512
#define PVIT_TARGET __attribute__((target("avx2,fma,f16c,avx512vl,avx512vnni")))
#define PVIT_DPBUSD _mm256_dpbusd_epi32
#define PVIT_DPWSSD _mm256_dpwssd_epi32
#else
#define PVIT_TARGET __attribute__((target("avx2,fma,f16c,avxvnni")))
#define PVIT_DPBUSD _mm256_dpbusd_avx_epi32
#define PVIT_DPWSSD _mm256_dpwssd_avx_epi32
#endif
#define PVIT_INLINE static inline __attribute__((always_inline)) PVIT_TARGET
#define PVIT_UNROLL _Pragma("clang loop unroll(full)")
