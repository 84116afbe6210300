#if defined(__x86_64__)
// q8 times many tokens: the two bytes of activations are multiplied separately and combined as integers.
#include "common/avx512.h"

#include "common/lanes.h"
#include "quantized/avx512_products.h"
#include "quantized/avx512_weights.h"

#define UNIT_BYTES (PVIT_UNIT * PVIT_Q8_COLUMN_BYTES)
#define UNIT_OFFSETS pvit_q8_unit
#define ACTIVATIONS pvit_wide_activations
#define ACTIVATIONS_FROM pvit_wide_activations_from
#define CHUNK_UNITS 16
#define TILE_GROUPS 2
#define TILE_TOKENS 3

// Without this, the compiler loads activations too early and runs out of registers.
#define KEEP_IN_ORDER(value) __asm__ volatile("" : "+v"(value)::"memory")

typedef struct {
    uint8_t codes[8][64]; // excess 128: [columns / 4][16 rows][4]
    float scales[16];
} unit;

typedef struct {
    int8_t codes[CHUNK_UNITS * 8][2][4]; // [columns / 4][high byte, low byte][columns]
    int32_t starts[CHUNK_UNITS];         // where the dot products start: what the excess of the weights adds, negative
    float scales[CHUNK_UNITS];
} token_chunk;

PVIT_INLINE void unpack_unit(const uint8_t *scales, const uint8_t *codes, unit *result) {
    _mm512_store_ps(result->scales, pvit_q8_scales(scales));
    PVIT_UNROLL
    for (int j = 0; j < 8; j++) _mm512_store_si512(result->codes[j], _mm512_loadu_si512(codes + j * 64));
}

PVIT_INLINE void copy_token(pvit_wide_activations x, size_t start, size_t count, token_chunk *result) {
    memcpy(result->scales, x.scales + start / 32, count * sizeof *x.scales);
    for (size_t u = 0; u < count; u++) {
        pvit_split_codes(_mm512_loadu_si512(x.codes + start + u * 32), result->codes + u * 8);
        result->starts[u] = -128 * x.sums[start / 32 + u];
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
        __m512i dot[2][TILE_TOKENS][2]; // [bytes][tokens][groups]
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            PVIT_UNROLL
            for (int g = 0; g < groups; g++) {
                dot[0][t][g] = _mm512_setzero_si512();
                dot[1][t][g] = _mm512_set1_epi32(x[t].starts[u]);
            }
        }
        PVIT_UNROLL
        for (int j = 0; j < 8; j++) {
            __m512i codes[2];
            PVIT_UNROLL
            for (int g = 0; g < groups; g++) codes[g] = _mm512_load_si512(units[u][g].codes[j]);
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                PVIT_UNROLL
                for (int byte = 0; byte < 2; byte++) {
                    __m512i four = pvit_four_codes(x[t].codes[u * 8 + (size_t)j][byte]);
                    PVIT_UNROLL
                    for (int g = 0; g < groups; g++) {
                        dot[byte][t][g] = _mm512_dpbusd_epi32(dot[byte][t][g], codes[g], four);
                        KEEP_IN_ORDER(dot[byte][t][g]);
                    }
                }
            }
        }
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) {
            __m512 row_scales = _mm512_load_ps(units[u][g].scales);
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                __m512i whole = _mm512_add_epi32(_mm512_slli_epi32(dot[0][t][g], 8), dot[1][t][g]);
                __m512 term = _mm512_mul_ps(_mm512_cvtepi32_ps(whole), row_scales);
                sum[t][g] = _mm512_fmadd_ps(term, _mm512_set1_ps(x[t].scales[u]), sum[t][g]);
            }
        }
    }

    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        PVIT_UNROLL
        for (int g = 0; g < groups; g++) _mm512_store_ps(sums[t][g], sum[t][g]);
    }
}

#include "quantized/gemm_body.h"

PVIT_TARGET void pvit_avx512_gemm_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                     pvit_wide_activations x, size_t tokens, float *restrict y, size_t stride) {
    if (tokens <= PVIT_GEMV_TOKENS)
        pvit_avx512_gemv_q8_tokens(w, groups, columns, tile_scale, x, tokens, y, stride);
    else
        multiply(w, groups, columns, tile_scale, x, tokens, y, stride);
}
#endif
