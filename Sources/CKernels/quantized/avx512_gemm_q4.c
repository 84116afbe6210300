#if defined(__x86_64__)
// q4 times many tokens: codes are looked up once per block of tokens and multiplied by bytes of activations.
#include "common/avx512.h"

#include "common/lanes.h"
#include "quantized/avx512_products.h"
#include "quantized/avx512_weights.h"

#define UNIT_BYTES (PVIT_UNIT * PVIT_Q4_COLUMN_BYTES)
#define UNIT_OFFSETS pvit_q4_unit
#define ACTIVATIONS pvit_activations
#define ACTIVATIONS_FROM pvit_activations_from
#define CHUNK_UNITS 16
#define TILE_GROUPS 2
_Static_assert(CHUNK_UNITS % 8 == 0, "copy_token writes the starts of 8 units at a time");
#define TILE_TOKENS 4

// Without this, the compiler loads activations too early and runs out of registers.
#define KEEP_IN_ORDER(value) __asm__ volatile("" : "+v"(value)::"memory")

#define FOUR_SHIFTS ((int)((PVIT_Q4_SHIFT & 0xFF) * 0x01010101u)) // one in each byte

typedef struct {
    uint8_t codes[8][64]; // excess 128, shift included: [columns / 4][16 rows][4]
    float scales[2][16];  // of the two blocks
    float unbias[16];     // minus PVIT_INTEGER_BIAS times the sum of the scales
} unit;

typedef struct {
    int8_t codes[CHUNK_UNITS * 32];
    int32_t starts[CHUNK_UNITS * 2]; // where the dot products start, as pvit_dot_start says
    float scales[CHUNK_UNITS];
} token_chunk;

PVIT_INLINE void unpack_unit(const uint8_t *fields, const uint8_t *codes, unit *result) {
    __m512i codebook = pvit_codebook_excess128();
    __m512 scale0 = pvit_q4_scales(fields), scale1 = pvit_q4_scales(fields + 16);
    _mm512_store_ps(result->scales[0], scale0);
    _mm512_store_ps(result->scales[1], scale1);
    _mm512_store_ps(result->unbias, _mm512_mul_ps(_mm512_add_ps(scale0, scale1), _mm512_set1_ps(-PVIT_INTEGER_BIAS)));
    PVIT_UNROLL
    for (int j = 0; j < 4; j++) {
        __m512i bytes = _mm512_loadu_si512(codes + j * 64);
        __m512i shift = _mm512_maskz_set1_epi32(pvit_q4_shifted(fields + j / 2 * 16), FOUR_SHIFTS);
        _mm512_store_si512(result->codes[2 * j], _mm512_add_epi8(pvit_q4_low(bytes, codebook), shift));
        _mm512_store_si512(result->codes[2 * j + 1], _mm512_add_epi8(pvit_q4_high(bytes, codebook), shift));
    }
}

PVIT_INLINE void copy_token(pvit_activations x, size_t start, size_t count, token_chunk *result) {
    memcpy(result->codes, x.codes + start, count * 32);
    memcpy(result->scales, x.scales + start / 32, count * sizeof *x.scales);
    for (size_t i = 0; i < 2 * count; i += 16) {
        size_t left = 2 * count - i;
        __m512i sums =
            _mm512_maskz_loadu_epi32(left < 16 ? (__mmask16)((1u << left) - 1) : 0xFFFF, x.sums + start / 16 + i);
        _mm512_storeu_si512(result->starts + i,
                            _mm512_sub_epi32(_mm512_set1_epi32(PVIT_INTEGER_BIAS_BITS), _mm512_slli_epi32(sums, 7)));
    }
}

// Adds the products of `count` units of `groups` groups with `tokens` tokens, the first of them `x`, to `sums`.
PVIT_INLINE void multiply_tile(const unit units[][2], size_t count, const token_chunk *x, float (*sums)[2][16],
                               int tokens, int groups) {
    __m512 sum[TILE_TOKENS][2];
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) sum[t][g] = _mm512_load_ps(sums[t][g]);
    }

    for (size_t u = 0; u < count; u++) {
        __m512 term[TILE_TOKENS][2];
        PVIT_UNROLL
        for (int block = 0; block < 2; block++) {
            __m512i dot[TILE_TOKENS][2];
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                PVIT_UNROLL
                for (int g = 0; g < groups; g++) dot[t][g] = _mm512_set1_epi32(x[t].starts[u * 2 + (size_t)block]);
            }
            PVIT_UNROLL
            for (int j = block * 4; j < block * 4 + 4; j++) {
                __m512i codes[2];
                PVIT_UNROLL
                for (int g = 0; g < groups; g++) codes[g] = _mm512_load_si512(units[u][g].codes[j]);
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++) {
                    __m512i four = pvit_four_codes(x[t].codes + u * 32 + (size_t)j * 4);
                    PVIT_UNROLL
                    for (int g = 0; g < groups; g++) {
                        dot[t][g] = _mm512_dpbusd_epi32(dot[t][g], codes[g], four);
                        KEEP_IN_ORDER(dot[t][g]);
                    }
                }
            }
            PVIT_UNROLL
            for (int g = 0; g < groups; g++) {
                __m512 scale = _mm512_load_ps(units[u][g].scales[block]);
                __m512 unbias = _mm512_load_ps(units[u][g].unbias);
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++)
                    term[t][g] = _mm512_fmadd_ps(_mm512_castsi512_ps(dot[t][g]), scale, block ? term[t][g] : unbias);
            }
        }
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            __m512 scale = _mm512_set1_ps(x[t].scales[u]);
            PVIT_UNROLL
            for (int g = 0; g < groups; g++) sum[t][g] = _mm512_fmadd_ps(term[t][g], scale, sum[t][g]);
        }
    }

    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) _mm512_store_ps(sums[t][g], sum[t][g]);
    }
}

#include "quantized/gemm_body.h"

PVIT_TARGET void pvit_avx512_gemm_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                     pvit_activations x, size_t tokens, float *restrict y, size_t stride) {
    if (tokens <= PVIT_GEMV_TOKENS)
        pvit_avx512_gemv_q4_tokens(w, groups, columns, tile_scale, x, tokens, y, stride);
    else
        multiply(w, groups, columns, tile_scale, x, tokens, y, stride);
}
#endif
