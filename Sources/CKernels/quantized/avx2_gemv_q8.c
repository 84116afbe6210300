#if defined(__x86_64__)
// Products of q8 weights with few tokens, eight rows to a register. Codes are widened to 16 bits, two columns to a
// lane, and used for up to four tokens.
#include "quantized/product_of_q8.h"
#include "quantized/avx2_products.h"
#include "quantized/avx2_wide_codes.h"

// 32 columns of 8 rows times `tokens` tokens. `x` starts at the first of these columns.
PVIT_INLINE void add_unit(const uint8_t *scales, const uint8_t *codes, pvit_wide_activations x, size_t columns,
                          __m256 sums[PVIT_GEMV_TOKENS], int tokens) {
    __m256i dots[PVIT_GEMV_TOKENS];
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) dots[t] = _mm256_set1_epi32(-128 * x.sums[(size_t)t * (columns / 32)]);
    PVIT_UNROLL
    for (int j = 0; j < 8; j++) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(codes + j * PVIT_CODE_WORD));
        __m256i first = first_codes(bytes), second = second_codes(bytes);
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            const int16_t *four = x.codes + (size_t)t * columns + 4 * j;
            __m256i dot = _mm256_add_epi32(_mm256_madd_epi16(first, two_codes(four)),
                                           _mm256_madd_epi16(second, two_codes(four + 2)));
            dots[t] = _mm256_add_epi32(dots[t], dot);
        }
    }
    __m256 row_scales = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)scales));
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        __m256 term = _mm256_mul_ps(_mm256_cvtepi32_ps(dots[t]), row_scales);
        sums[t] = _mm256_fmadd_ps(term, _mm256_set1_ps(x.scales[(size_t)t * (columns / 32)]), sums[t]);
    }
}

// One group times `tokens` tokens.
PVIT_INLINE void multiply_group(const uint8_t *w, size_t columns, float tile_scale, pvit_wide_activations x, float *y,
                                size_t stride, int tokens) {
    __m256 sums[2][PVIT_GEMV_TOKENS]; // [halves of the group][tokens]
    PVIT_UNROLL
    for (int half = 0; half < 2; half++) {
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) sums[half][t] = _mm256_setzero_ps();
    }
    for (size_t start = 0, width; start < columns; start += width) {
        width = pvit_superblock_columns(columns, start);
        pvit_unit first = pvit_q8_unit_in_superblock(width, 0);
        const uint8_t *scales = w + first.scales, *codes = w + first.codes;
        w += width * PVIT_Q8_COLUMN_BYTES;
        pvit_prefetch_stream(scales, (size_t)(w - scales));
        for (size_t column = start; column < start + width;
             column += PVIT_UNIT, scales += PVIT_UNIT, codes += PVIT_UNIT * PVIT_Q8_CODE_BYTES) {
            pvit_wide_activations part = pvit_wide_activations_at(x, column);
            PVIT_UNROLL
            for (int half = 0; half < 2; half++)
                add_unit(scales + 16 * half, codes + 32 * half, part, columns, sums[half], tokens);
        }
    }
    PVIT_UNROLL
    for (int half = 0; half < 2; half++) {
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++)
            _mm256_storeu_ps(y + (size_t)t * stride + 8 * half,
                             _mm256_mul_ps(sums[half][t], _mm256_set1_ps(tile_scale)));
    }
}

PVIT_TARGET void GEMV(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                      pvit_wide_activations x, size_t tokens, float *restrict y, size_t stride) {
    for (size_t group = 0; group < groups; group++, w += columns * PVIT_Q8_COLUMN_BYTES, y += 16) {
        switch (tokens) {
        case 1: multiply_group(w, columns, tile_scale, x, y, stride, 1); break;
        case 2: multiply_group(w, columns, tile_scale, x, y, stride, 2); break;
        case 3: multiply_group(w, columns, tile_scale, x, y, stride, 3); break;
        case 4: multiply_group(w, columns, tile_scale, x, y, stride, 4); break;
        }
    }
}
#endif
