// What the functions of this folder are compiled for.
#pragma once

#include <immintrin.h>

#include "common/numerics.h"

#define PVIT_TARGET __attribute__((target("avx2,fma,f16c")))
#define PVIT_INLINE static inline __attribute__((always_inline)) PVIT_TARGET
#define PVIT_UNROLL _Pragma("clang loop unroll(full)")
