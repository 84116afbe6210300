#if defined(__x86_64__)
// Products of q4 weights with few tokens, eight rows to a register, four columns to a lane. Weights are decoded in
// registers and used for up to four tokens.
//
// AVX2's mixed-sign product saturates. To avoid that, magnitudes of weights are multiplied by activations with the
// weights' signs: |127 * 127 * 2| fits 16 bits.
#include "quantized/product_of_q4.h"
#include "quantized/avx2_products.h"
#include "quantized/avx2_q4_codes.h"

PVIT_INLINE __m256i four_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, sizeof four);
    return _mm256_set1_epi32(four);
}

// sums + the dot product of four signed weights and four codes in each lane.
PVIT_INLINE __m256i add_dot(__m256i sums, __m256i magnitudes, __m256i weights, __m256i codes) {
    __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(codes, weights));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// 32 columns of 8 rows of q4, times `tokens` tokens. `x` starts at the first of these columns.
PVIT_INLINE void add_q4_unit(const uint8_t *fields, const uint8_t *codes, pvit_activations x, size_t columns,
                             __m256i codebook, __m256 sums[PVIT_GEMV_TOKENS], int tokens) {
    __m256 scale0 = q4_scales(fields), scale1 = q4_scales(fields + 16);
    __m256 terms[PVIT_GEMV_TOKENS];
    __m256 unbias = _mm256_mul_ps(_mm256_add_ps(scale0, scale1), _mm256_set1_ps(-PVIT_INTEGER_BIAS));
    PVIT_UNROLL
    for (int block = 0; block < 2; block++) {
        __m256i shifted = q4_shifted(fields + 16 * block);
        __m256i dots[PVIT_GEMV_TOKENS];
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            __m256i shift = _mm256_set1_epi32(PVIT_Q4_SHIFT * x.sums[(size_t)t * (columns / 16) + (size_t)block]);
            dots[t] = _mm256_add_epi32(_mm256_set1_epi32(PVIT_INTEGER_BIAS_BITS), _mm256_and_si256(shifted, shift));
        }
        PVIT_UNROLL
        for (int j = 2 * block; j < 2 * block + 2; j++) {
            __m256i bytes = _mm256_loadu_si256((const __m256i *)(codes + j * PVIT_CODE_WORD));
            __m256i values[2] = {low_values(bytes, codebook), high_values(bytes, codebook)};
            PVIT_UNROLL
            for (int k = 0; k < 2; k++) {
                __m256i magnitudes = _mm256_abs_epi8(values[k]);
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++)
                    dots[t] = add_dot(dots[t], magnitudes, values[k],
                                      four_codes(x.codes + (size_t)t * columns + 8 * j + 4 * k));
            }
        }
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++)
            terms[t] =
                _mm256_fmadd_ps(_mm256_castsi256_ps(dots[t]), block ? scale1 : scale0, block ? terms[t] : unbias);
    }
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++)
        sums[t] = _mm256_fmadd_ps(terms[t], _mm256_set1_ps(x.scales[(size_t)t * (columns / 32)]), sums[t]);
}

// Adds the products of one superblock of `width` columns and eight rows to `sums`. `x` starts at its first column.
PVIT_INLINE void add_superblock(const uint8_t *fields, const uint8_t *codes, size_t width, pvit_activations x,
                                size_t columns, __m256i codebook, __m256 sums[PVIT_GEMV_TOKENS], int tokens) {
    for (size_t i = 0; i < width; i += PVIT_UNIT, fields += PVIT_UNIT, codes += PVIT_UNIT * PVIT_Q4_CODE_BYTES) {
        add_q4_unit(fields, codes, pvit_activations_at(x, i), columns, codebook, sums, tokens);
    }
}

// One group times `tokens` tokens. `halves` of its rows are computed together, as many as fit the registers.
PVIT_INLINE void multiply_group(const uint8_t *w, size_t columns, float tile_scale, pvit_activations x, float *y,
                                size_t stride, int tokens, int halves) {
    __m256i codebook = codebook_lanes();
    for (int first = 0; first < 2; first += halves) {
        __m256 sums[2][PVIT_GEMV_TOKENS]; // [halves of the group][tokens]
        PVIT_UNROLL
        for (int half = 0; half < halves; half++) {
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) sums[half][t] = _mm256_setzero_ps();
        }
        const uint8_t *scales = w;
        for (size_t start = 0, width; start < columns; start += width) {
            width = pvit_superblock_columns(columns, start);
            pvit_prefetch_stream(scales, width * PVIT_Q4_COLUMN_BYTES);
            PVIT_UNROLL
            for (int half = 0; half < halves; half++) {
                size_t rows = 8 * (size_t)(first + half);
                pvit_unit first = pvit_q4_unit_in_superblock(width, 0);
                add_superblock(scales + first.scales + rows, scales + first.codes + PVIT_ROW_BYTES * rows, width,
                               pvit_activations_at(x, start), columns, codebook, sums[half], tokens);
            }
            scales += width * PVIT_Q4_COLUMN_BYTES;
        }
        PVIT_UNROLL
        for (int half = 0; half < halves; half++) {
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++)
                _mm256_storeu_ps(y + (size_t)t * stride + 8 * (first + half),
                                 _mm256_mul_ps(sums[half][t], _mm256_set1_ps(tile_scale)));
        }
    }
}

PVIT_TARGET void GEMV(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                      size_t tokens, float *restrict y, size_t stride) {
    for (size_t group = 0; group < groups; group++, w += columns * PVIT_Q4_COLUMN_BYTES, y += 16) {
        switch (tokens) {
        case 1: multiply_group(w, columns, tile_scale, x, y, stride, 1, 2); break;
        case 2: multiply_group(w, columns, tile_scale, x, y, stride, 2, 2); break;
        case 3: multiply_group(w, columns, tile_scale, x, y, stride, 3, 1); break;
        case 4: multiply_group(w, columns, tile_scale, x, y, stride, 4, 1); break;
        }
    }
}
#endif
