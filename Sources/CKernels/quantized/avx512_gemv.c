#if defined(__x86_64__)
// Products with few tokens: the weights are read from memory once and decoded in registers.
#include "quantized/avx512_products.h"

#include "quantized/avx512_weights.h"

// 32 columns of q4 times `tokens` tokens.
PVIT_INLINE void add_q4_unit(const uint8_t *fields, const uint8_t *codes, pvit_activations x, size_t columns,
                             size_t start, __m512i codebook, __m512 sums[PVIT_GEMV_TOKENS], int tokens) {
    __m512 scale0 = pvit_q4_scales(fields), scale1 = pvit_q4_scales(fields + 16);
    __m512 unbias = _mm512_mul_ps(_mm512_add_ps(scale0, scale1), _mm512_set1_ps(-PVIT_INTEGER_BIAS));
    __m512 terms[PVIT_GEMV_TOKENS];
    PVIT_UNROLL
    for (int block = 0; block < 2; block++) {
        __m512i dots[PVIT_GEMV_TOKENS];
        __mmask16 shifted = pvit_q4_shifted(fields + 16 * block);
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            int32_t sum = x.sums[((size_t)t * columns + start) / 16 + (size_t)block];
            __m512i dot = pvit_dot_start(sum);
            dots[t] = _mm512_mask_add_epi32(dot, shifted, dot, _mm512_set1_epi32(PVIT_Q4_SHIFT * sum));
        }
        PVIT_UNROLL
        for (int j = 0; j < 2; j++) {
            __m512i bytes = _mm512_loadu_si512(codes + (2 * block + j) * 64);
            __m512i low = pvit_q4_low(bytes, codebook), high = pvit_q4_high(bytes, codebook);
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                const int8_t *four = x.codes + (size_t)t * columns + start + 16 * block + 8 * j;
                dots[t] = _mm512_dpbusd_epi32(dots[t], low, pvit_four_codes(four));
                dots[t] = _mm512_dpbusd_epi32(dots[t], high, pvit_four_codes(four + 4));
            }
        }
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++)
            terms[t] =
                _mm512_fmadd_ps(_mm512_castsi512_ps(dots[t]), block ? scale1 : scale0, block ? terms[t] : unbias);
    }
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++)
        sums[t] = _mm512_fmadd_ps(terms[t], _mm512_set1_ps(x.scales[((size_t)t * columns + start) / 32]), sums[t]);
}

// 32 columns of q8 times `tokens` tokens.
PVIT_INLINE void add_q8_unit(const uint8_t *scales, const uint8_t *codes, pvit_wide_activations x, size_t columns,
                             size_t start, __m512 sums[PVIT_GEMV_TOKENS], int tokens) {
    __m512 scale = pvit_q8_scales(scales);
    __m512i dots[PVIT_GEMV_TOKENS];
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) dots[t] = _mm512_set1_epi32(-128 * x.sums[((size_t)t * columns + start) / 32]);
    PVIT_UNROLL
    for (int j = 0; j < 8; j++) {
        __m512i bytes = _mm512_loadu_si512(codes + j * 64);
        __m512i first = pvit_q8_first(bytes), second = pvit_q8_second(bytes);
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            const int16_t *four = x.codes + (size_t)t * columns + start + 4 * (size_t)j;
            dots[t] = _mm512_dpwssd_epi32(dots[t], first, pvit_two_codes(four));
            dots[t] = _mm512_dpwssd_epi32(dots[t], second, pvit_two_codes(four + 2));
        }
    }
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        __m512 term = _mm512_mul_ps(_mm512_cvtepi32_ps(dots[t]), scale);
        sums[t] = _mm512_fmadd_ps(term, _mm512_set1_ps(x.scales[((size_t)t * columns + start) / 32]), sums[t]);
    }
}

PVIT_INLINE void store_rows(const __m512 sums[PVIT_GEMV_TOKENS], float tile_scale, float *y, size_t stride,
                            int tokens) {
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++)
        _mm512_storeu_ps(y + (size_t)t * stride, _mm512_mul_ps(sums[t], _mm512_set1_ps(tile_scale)));
}

PVIT_INLINE void multiply_q4(const uint8_t *w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                             float *y, size_t stride, int tokens) {
    __m512i codebook = pvit_codebook_excess128();
    for (size_t group = 0; group < groups; group++, y += 16) {
        __m512 sums[PVIT_GEMV_TOKENS];
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) sums[t] = _mm512_setzero_ps();
        size_t start = 0;
        const pvit_unit first = pvit_q4_unit_in_superblock(PVIT_SUPERBLOCK, 0);
        const pvit_unit second = pvit_q4_unit_in_superblock(PVIT_SUPERBLOCK, PVIT_UNIT);
        const pvit_unit last = pvit_q4_unit_in_superblock(PVIT_UNIT, 0);
        for (; start + PVIT_SUPERBLOCK <= columns;
             start += PVIT_SUPERBLOCK, w += PVIT_SUPERBLOCK * PVIT_Q4_COLUMN_BYTES) {
            pvit_prefetch_stream(w, PVIT_SUPERBLOCK * PVIT_Q4_COLUMN_BYTES);
            add_q4_unit(w + first.scales, w + first.codes, x, columns, start, codebook, sums, tokens);
            add_q4_unit(w + second.scales, w + second.codes, x, columns, start + PVIT_UNIT, codebook, sums, tokens);
        }
        if (start < columns) {
            add_q4_unit(w + last.scales, w + last.codes, x, columns, start, codebook, sums, tokens);
            w += PVIT_UNIT * PVIT_Q4_COLUMN_BYTES;
        }
        store_rows(sums, tile_scale, y, stride, tokens);
    }
}

PVIT_INLINE void multiply_q8(const uint8_t *w, size_t groups, size_t columns, float tile_scale, pvit_wide_activations x,
                             float *y, size_t stride, int tokens) {
    for (size_t group = 0; group < groups; group++, y += 16) {
        __m512 sums[PVIT_GEMV_TOKENS];
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) sums[t] = _mm512_setzero_ps();
        size_t start = 0;
        const pvit_unit first = pvit_q8_unit_in_superblock(PVIT_SUPERBLOCK, 0);
        const pvit_unit second = pvit_q8_unit_in_superblock(PVIT_SUPERBLOCK, PVIT_UNIT);
        const pvit_unit last = pvit_q8_unit_in_superblock(PVIT_UNIT, 0);
        for (; start + PVIT_SUPERBLOCK <= columns;
             start += PVIT_SUPERBLOCK, w += PVIT_SUPERBLOCK * PVIT_Q8_COLUMN_BYTES) {
            pvit_prefetch_stream(w, PVIT_SUPERBLOCK * PVIT_Q8_COLUMN_BYTES);
            add_q8_unit(w + first.scales, w + first.codes, x, columns, start, sums, tokens);
            add_q8_unit(w + second.scales, w + second.codes, x, columns, start + PVIT_UNIT, sums, tokens);
        }
        if (start < columns) {
            add_q8_unit(w + last.scales, w + last.codes, x, columns, start, sums, tokens);
            w += PVIT_UNIT * PVIT_Q8_COLUMN_BYTES;
        }
        store_rows(sums, tile_scale, y, stride, tokens);
    }
}

PVIT_TARGET void pvit_avx512_gemv_q4_tokens(const uint8_t *w, size_t groups, size_t columns, float tile_scale,
                                            pvit_activations x, size_t tokens, float *y, size_t stride) {
    switch (tokens) {
    case 1: multiply_q4(w, groups, columns, tile_scale, x, y, stride, 1); break;
    case 2: multiply_q4(w, groups, columns, tile_scale, x, y, stride, 2); break;
    case 3: multiply_q4(w, groups, columns, tile_scale, x, y, stride, 3); break;
    case 4: multiply_q4(w, groups, columns, tile_scale, x, y, stride, 4); break;
    }
}

PVIT_TARGET void pvit_avx512_gemv_q8_tokens(const uint8_t *w, size_t groups, size_t columns, float tile_scale,
                                            pvit_wide_activations x, size_t tokens, float *y, size_t stride) {
    switch (tokens) {
    case 1: multiply_q8(w, groups, columns, tile_scale, x, y, stride, 1); break;
    case 2: multiply_q8(w, groups, columns, tile_scale, x, y, stride, 2); break;
    case 3: multiply_q8(w, groups, columns, tile_scale, x, y, stride, 3); break;
    case 4: multiply_q8(w, groups, columns, tile_scale, x, y, stride, 4); break;
    }
}

PVIT_TARGET void pvit_avx512_gemv_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                     pvit_activations x, float *restrict y) {
    multiply_q4(w, groups, columns, tile_scale, x, y, 0, 1);
}

PVIT_TARGET void pvit_avx512_gemv_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                     pvit_wide_activations x, float *restrict y) {
    multiply_q8(w, groups, columns, tile_scale, x, y, 0, 1);
}

#endif
