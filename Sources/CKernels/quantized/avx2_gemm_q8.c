#if defined(__x86_64__)
// q8 times many tokens: codes are widened to 16 bits once per block of tokens, two columns to a lane.
#include "quantized/product_of_q8.h"
#include "quantized/avx2_gemm.h"

typedef struct {
    int16_t codes[16][16][2]; // signed: [columns / 2][16 rows][2]
    float scales[16];
} unit;

PVIT_INLINE void unpack_unit(const uint8_t *scales, const uint8_t *codes, unit *result) {
    const __m256i excess = _mm256_set1_epi16(128);
    PVIT_UNROLL
    for (size_t half = 0; half < 2; half++) {
        __m128i halves = _mm_loadu_si128((const __m128i *)(scales + 16 * half));
        _mm256_store_ps(result->scales + 8 * half, _mm256_cvtph_ps(halves));
        PVIT_UNROLL
        for (size_t j = 0; j < 8; j++) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(codes + j * PVIT_CODE_WORD + 32 * half));
            __m256i first = _mm256_sub_epi16(first_codes(bytes), excess);
            __m256i second = _mm256_sub_epi16(second_codes(bytes), excess);
            _mm256_store_si256((__m256i *)result->codes[2 * j][8 * half], first);
            _mm256_store_si256((__m256i *)result->codes[2 * j + 1][8 * half], second);
        }
    }
}

// Packs 32 columns of `x`, number `i` of them.
PVIT_INLINE void pack_unit(pvit_wide_activations x, size_t i, token_unit *result) {
    memcpy(result->codes, x.codes + i * 32, sizeof result->codes);
    result->scale = x.scales[i];
}

// Adds the products of `count` units of a group with `tokens` tokens, the first of them `x`, to `sums`.
PVIT_INLINE void multiply_tile(const unit units[][TILE_GROUPS], size_t count, const token_unit *x,
                               float (*sums)[TILE_GROUPS][16], int tokens, int groups) {
    (void)groups;
    for (size_t u = 0; u < count; u++) {
        const unit *w = units[u];
        __m256i dot[TILE_TOKENS][2]; // [tokens][halves of the rows]
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) dot[t][0] = dot[t][1] = _mm256_setzero_si256();
        PVIT_UNROLL
        for (size_t pair = 0; pair < 16; pair++) add_pair(w->codes[pair], 2 * pair, x, count, u, dot, tokens);
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            __m256 scale = _mm256_set1_ps(of_token(x, t, count, u)->scale);
            PVIT_UNROLL
            for (int half = 0; half < 2; half++) {
                float *sum = sums[t][0] + 8 * half;
                __m256 row_scales = _mm256_load_ps(w->scales + 8 * half);
                __m256 term = _mm256_mul_ps(_mm256_cvtepi32_ps(dot[t][half]), row_scales);
                _mm256_store_ps(sum, _mm256_fmadd_ps(term, scale, _mm256_load_ps(sum)));
            }
        }
    }
}

#include "quantized/gemm_body.h"
#endif
