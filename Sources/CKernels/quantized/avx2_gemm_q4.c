#if defined(__x86_64__)
// q4 times many tokens: codes are looked up once per block of tokens and widened to 16 bits, two columns to a lane.
// Then 16 products take a multiplication and an addition. Bytes would not need fewer instructions, because AVX2
// multiplies unsigned by signed bytes and adds with saturation.
#include "common/avx2.h"

// Vectors of sixteen lanes are passed between functions that are always inlined.
#pragma clang diagnostic ignored "-Wpsabi"

#include "common/lanes.h"
#include "quantized/avx2_products.h"
#include "quantized/avx2_wide_codes.h"

#define UNIT_BYTES (PVIT_UNIT * PVIT_Q4_COLUMN_BYTES)
#define UNIT_OFFSETS pvit_q4_unit
#define ACTIVATIONS pvit_activations
#define CHUNK_UNITS 8
#define TILE_GROUPS 1
#define TILE_TOKENS 4

typedef struct {
    int16_t codes[16][16][2]; // shift included: [columns / 2][16 rows][2]
    float scales[2][16];      // of the two blocks
    float unbias[16];         // minus PVIT_INTEGER_BIAS times the sum of the scales
} unit;

typedef struct {
    int16_t codes[32];
    float scale;
} token_unit;

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
    __m256i codebook = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)pvit_q4_codebook));
    __m256i nibble = _mm256_set1_epi8(15);
    PVIT_UNROLL
    for (size_t half = 0; half < 2; half++) {
        __m256 scales[2];
        PVIT_UNROLL
        for (size_t block = 0; block < 2; block++) {
            __m128i eight = _mm_loadl_epi64((const __m128i *)(fields + 16 * block + 8 * half));
            __m128i magnitudes = _mm_cvtepu8_epi16(_mm_and_si128(eight, _mm_set1_epi8(127)));
            scales[block] = _mm256_cvtph_ps(_mm_slli_epi16(magnitudes, PVIT_Q4_SCALE_SHIFT));
            _mm256_store_ps(result->scales[block] + 8 * half, scales[block]);
            __m256i shifted = _mm256_srai_epi32(_mm256_cvtepi8_epi32(eight), 31);
            __m256i shift = _mm256_and_si256(shifted, _mm256_set1_epi8(PVIT_Q4_SHIFT));
            PVIT_UNROLL
            for (size_t j = 2 * block; j < 2 * block + 2; j++) {
                __m256i bytes = _mm256_loadu_si256((const __m256i *)(codes + j * PVIT_CODE_WORD + 32 * half));
                __m256i low = _mm256_shuffle_epi8(codebook, _mm256_and_si256(bytes, nibble));
                __m256i high = _mm256_shuffle_epi8(codebook, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
                store_wide(_mm256_add_epi8(low, shift), result->codes + 4 * j, half);
                store_wide(_mm256_add_epi8(high, shift), result->codes + 4 * j + 2, half);
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

// Unit `u` of the `t`th of some tokens.
PVIT_INLINE const token_unit *of_token(const token_unit *x, int t, size_t count, size_t u) {
    return x + (size_t)t * count + u;
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
            for (size_t pair = 8 * block; pair < 8 * block + 8; pair++) {
                __m256i first = _mm256_load_si256((const __m256i *)w->codes[pair][0]);
                __m256i second = _mm256_load_si256((const __m256i *)w->codes[pair][8]);
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++) {
                    __m256i two = two_codes(of_token(x, t, count, u)->codes + 2 * pair);
                    dot[t][0] = _mm256_add_epi32(dot[t][0], _mm256_madd_epi16(first, two));
                    KEEP_IN_ORDER(dot[t][0]);
                    dot[t][1] = _mm256_add_epi32(dot[t][1], _mm256_madd_epi16(second, two));
                    KEEP_IN_ORDER(dot[t][1]);
                }
            }
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

PVIT_TARGET void pvit_avx2_gemm_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                   const void *restrict packed, size_t tokens, float *restrict y, size_t stride) {
    multiply(w, groups, columns, tile_scale, packed, tokens, y, stride);
}

PVIT_TARGET void pvit_avx2_pack_activations(pvit_activations x, size_t start, size_t count, size_t columns,
                                            size_t token, size_t tokens, void *packed) {
    pack(x, start, count, columns, token, tokens, packed);
}

PVIT_TARGET size_t pvit_avx2_packed_activation_bytes(size_t columns) { return packed_bytes(columns); }
#endif
