// What AVX2's products with many tokens share: codes of weights and activations have 16 bits, and lanes two columns.
// Included after the type of weights.
#pragma once

#include "quantized/avx2_products.h"

// Vectors of sixteen lanes are passed between functions that are always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#include "common/lanes.h"
#include "quantized/avx2_wide_codes.h"

#define CHUNK_UNITS 8
#define TILE_GROUPS 1
#define TILE_TOKENS 4

// Without this, the compiler adds in another order, which needs more registers than there are.
#define KEEP_IN_ORDER(value) __asm__ volatile("" : "+x"(value)::"memory")

typedef struct {
    int16_t codes[32];
    float scale;
} token_unit;

// Unit `u` of the `t`th of some tokens.
PVIT_INLINE const token_unit *of_token(const token_unit *x, int t, size_t count, size_t u) {
    return x + (size_t)t * count + u;
}

// dots + the products of two columns of sixteen rows, `column` and the next one of unit `u`, with `tokens` tokens.
PVIT_INLINE void add_pair(const int16_t codes[16][2], size_t column, const token_unit *x, size_t count, size_t u,
                          __m256i dots[][2], int tokens) {
    __m256i first = _mm256_load_si256((const __m256i *)codes[0]);
    __m256i second = _mm256_load_si256((const __m256i *)codes[8]);
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        __m256i two = two_codes(of_token(x, t, count, u)->codes + column);
        dots[t][0] = _mm256_add_epi32(dots[t][0], _mm256_madd_epi16(first, two));
        KEEP_IN_ORDER(dots[t][0]);
        dots[t][1] = _mm256_add_epi32(dots[t][1], _mm256_madd_epi16(second, two));
        KEEP_IN_ORDER(dots[t][1]);
    }
}
