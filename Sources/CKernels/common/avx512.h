// What the functions of this folder are compiled for.
#pragma once

#include <immintrin.h>

#include "common/numerics.h"

#define PVIT_TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define PVIT_INLINE static inline __attribute__((always_inline)) PVIT_TARGET
#define PVIT_UNROLL _Pragma("clang loop unroll(full)")
