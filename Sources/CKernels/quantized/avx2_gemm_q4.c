#if defined(__x86_64__)
// q4 times many tokens: codes are looked up once per block of tokens and widened to 16 bits, two columns to a lane.
// Then 16 products take a multiplication and an addition. Bytes would not need fewer instructions, because AVX2
// multiplies unsigned by signed bytes and adds with saturation.
#include "quantized/product_of_q4.h"
#include "quantized/avx2_gemm.h"
#include "quantized/avx2_q4_codes.h"

typedef struct {
    int16_t codes[16][16][2]; // shift included: [columns / 2][16 rows][2]
    float scales[2][16];      // of the two blocks
    float unbias[16];         // minus PVIT_INTEGER_BIAS times the sum of the scales
} unit;

// Four codes of each of eight rows as 16-bit numbers, two columns to a lane.
PVIT_INLINE void store_wide(__m256i codes, int16_t (*first)[16][2], size_t half) {
    __m256i low = _mm256_cvtepi8_epi16(_mm256_castsi256_si128(codes));
    __m256i high = _mm256_cvtepi8_epi16(_mm256_extracti128_si256(codes, 1));
    // Lanes of 64 bits: four columns of one row. Even ones become the first two columns, odd ones the last two.
    __m256i pairs = _mm256_castps_si256(
        _mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), _MM_SHUFFLE(2, 0, 2, 0)));
    __m256i others = _mm256_castps_si256(
        _mm256_shuffle_ps(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high), _MM_SHUFFLE(3, 1, 3, 1)));
    _mm256_store_si256((__m256i *)first[0][8 * half], _mm256_permute4x64_epi64(pairs, _MM_SHUFFLE(3, 1, 2, 0)));
    _mm256_store_si256((__m256i *)first[1][8 * half], _mm256_permute4x64_epi64(others, _MM_SHUFFLE(3, 1, 2, 0)));
}

PVIT_INLINE void unpack_unit(const uint8_t *fields, const uint8_t *codes, unit *result) {
    __m256i codebook = codebook_lanes();
    PVIT_UNROLL
    for (size_t half = 0; half < 2; half++) {
        __m256 scales[2];
        PVIT_UNROLL
        for (size_t block = 0; block < 2; block++) {
            const uint8_t *eight = fields + 16 * block + 8 * half;
            scales[block] = q4_scales(eight);
            _mm256_store_ps(result->scales[block] + 8 * half, scales[block]);
            __m256i shift = _mm256_and_si256(q4_shifted(eight), _mm256_set1_epi8(PVIT_Q4_SHIFT));
            PVIT_UNROLL
            for (size_t j = 2 * block; j < 2 * block + 2; j++) {
                __m256i bytes = _mm256_loadu_si256((const __m256i *)(codes + j * PVIT_CODE_WORD + 32 * half));
                store_wide(_mm256_add_epi8(low_values(bytes, codebook), shift), result->codes + 4 * j, half);
                store_wide(_mm256_add_epi8(high_values(bytes, codebook), shift), result->codes + 4 * j + 2, half);
            }
        }
        __m256 sum = _mm256_add_ps(scales[0], scales[1]);
        _mm256_store_ps(result->unbias + 8 * half, _mm256_mul_ps(sum, _mm256_set1_ps(-PVIT_INTEGER_BIAS)));
    }
}

// Packs 32 columns of `x`, number `i` of them.
PVIT_INLINE void pack_unit(pvit_activations x, size_t i, token_unit *result) {
    PVIT_UNROLL
    for (int half = 0; half < 2; half++) {
        __m128i codes = _mm_loadu_si128((const __m128i *)(x.codes + i * 32 + 16 * half));
        _mm256_storeu_si256((__m256i *)(result->codes + 16 * half), _mm256_cvtepi8_epi16(codes));
    }
    result->scale = x.scales[i];
}

// Adds the products of `count` units of a group with `tokens` tokens, the first of them `x`, to `sums`.
PVIT_INLINE void multiply_tile(const unit units[][TILE_GROUPS], size_t count, const token_unit *x,
                               float (*sums)[TILE_GROUPS][16], int tokens, int groups) {
    (void)groups;
    for (size_t u = 0; u < count; u++) {
        const unit *w = units[u];
        __m256 term[TILE_TOKENS][2]; // [tokens][halves of the rows]
        PVIT_UNROLL
        for (size_t block = 0; block < 2; block++) {
            __m256i dot[TILE_TOKENS][2];
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) dot[t][0] = dot[t][1] = _mm256_set1_epi32(PVIT_INTEGER_BIAS_BITS);
            PVIT_UNROLL
            for (size_t pair = 8 * block; pair < 8 * block + 8; pair++)
                add_pair(w->codes[pair], 2 * pair, x, count, u, dot, tokens);
            PVIT_UNROLL
            for (int half = 0; half < 2; half++) {
                __m256 scale = _mm256_load_ps(w->scales[block] + 8 * half);
                __m256 unbias = _mm256_load_ps(w->unbias + 8 * half);
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++)
                    term[t][half] =
                        _mm256_fmadd_ps(_mm256_castsi256_ps(dot[t][half]), scale, block ? term[t][half] : unbias);
            }
        }
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            __m256 scale = _mm256_set1_ps(of_token(x, t, count, u)->scale);
            PVIT_UNROLL
            for (int half = 0; half < 2; half++) {
                float *sum = sums[t][0] + 8 * half;
                _mm256_store_ps(sum, _mm256_fmadd_ps(term[t][half], scale, _mm256_load_ps(sum)));
            }
        }
    }
}

#include "quantized/gemm_body.h"
#endif
