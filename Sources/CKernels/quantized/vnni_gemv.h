// Products with few tokens: the weights are read from memory once and decoded in registers. Included after the lanes of
// an instruction set, which say how many rows a register has.
#pragma once

#include "quantized/vnni_products.h"

// 32 columns of the rows of a register, of q4, times `tokens` tokens.
PVIT_INLINE void add_q4_unit(const uint8_t *fields, const uint8_t *codes, pvit_activations x, size_t columns,
                             size_t start, row_floats sums[PVIT_GEMV_TOKENS], int tokens) {
    row_floats scale0 = q4_scales(fields), scale1 = q4_scales(fields + 16);
    row_floats unbias = multiply_floats(add_floats(scale0, scale1), equal_floats(-PVIT_INTEGER_BIAS));
    row_floats terms[PVIT_GEMV_TOKENS];
    row_ints codebook = codebook_excess128();
    PVIT_UNROLL
    for (int block = 0; block < 2; block++) {
        row_ints dots[PVIT_GEMV_TOKENS];
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            int32_t sum = x.sums[((size_t)t * columns + start) / 16 + (size_t)block];
            row_ints shift = where_shifted(fields + 16 * block, PVIT_Q4_SHIFT * sum);
            dots[t] = add_ints(equal_ints(biased_start(sum)), shift);
        }
        PVIT_UNROLL
        for (int j = 0; j < 2; j++) {
            row_ints bytes = load_ints(codes + (2 * block + j) * PVIT_CODE_WORD);
            row_ints low = low_values(bytes, codebook), high = high_values(bytes, codebook);
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                const int8_t *four = x.codes + (size_t)t * columns + start + 16 * block + 8 * j;
                dots[t] = add_byte_dot(dots[t], low, four_codes(four));
                dots[t] = add_byte_dot(dots[t], high, four_codes(four + 4));
            }
        }
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++)
            terms[t] = multiply_add(as_floats(dots[t]), block ? scale1 : scale0, block ? terms[t] : unbias);
    }
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++)
        sums[t] = multiply_add(terms[t], equal_floats(x.scales[((size_t)t * columns + start) / 32]), sums[t]);
}

// The same of q8.
PVIT_INLINE void add_q8_unit(const uint8_t *scales, const uint8_t *codes, pvit_wide_activations x, size_t columns,
                             size_t start, row_floats sums[PVIT_GEMV_TOKENS], int tokens) {
    row_floats scale = q8_scales(scales);
    row_ints dots[PVIT_GEMV_TOKENS];
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) dots[t] = equal_ints(-128 * x.sums[((size_t)t * columns + start) / 32]);
    PVIT_UNROLL
    for (int j = 0; j < 8; j++) {
        row_ints bytes = load_ints(codes + j * PVIT_CODE_WORD);
        row_ints first = first_codes(bytes), second = second_codes(bytes);
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            const int16_t *four = x.codes + (size_t)t * columns + start + 4 * (size_t)j;
            dots[t] = add_word_dot(dots[t], first, two_codes(four));
            dots[t] = add_word_dot(dots[t], second, two_codes(four + 2));
        }
    }
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        row_floats term = multiply_floats(converted(dots[t]), scale);
        sums[t] = multiply_add(term, equal_floats(x.scales[((size_t)t * columns + start) / 32]), sums[t]);
    }
}

// 32 columns of a group.
PVIT_INLINE void add_q4_units(const uint8_t *superblock, pvit_unit unit, pvit_activations x, size_t columns,
                              size_t start, row_floats sums[][PVIT_GEMV_TOKENS], int tokens) {
    PVIT_UNROLL
    for (int r = 0; r < GROUP_REGISTERS; r++)
        add_q4_unit(superblock + unit.scales + r * ROW_LANES, superblock + unit.codes + r * REGISTER_BYTES, x, columns,
                    start, sums[r], tokens);
}

PVIT_INLINE void add_q8_units(const uint8_t *superblock, pvit_unit unit, pvit_wide_activations x, size_t columns,
                              size_t start, row_floats sums[][PVIT_GEMV_TOKENS], int tokens) {
    PVIT_UNROLL
    for (int r = 0; r < GROUP_REGISTERS; r++)
        add_q8_unit(superblock + unit.scales + 2 * r * ROW_LANES, superblock + unit.codes + r * REGISTER_BYTES, x,
                    columns, start, sums[r], tokens);
}

PVIT_INLINE void start_sums(row_floats sums[][PVIT_GEMV_TOKENS], int tokens) {
    PVIT_UNROLL
    for (int r = 0; r < GROUP_REGISTERS; r++) {
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) sums[r][t] = equal_floats(0);
    }
}

PVIT_INLINE void store_sums(row_floats sums[][PVIT_GEMV_TOKENS], float tile_scale, float *y, size_t stride,
                            int tokens) {
    PVIT_UNROLL
    for (int r = 0; r < GROUP_REGISTERS; r++) {
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++)
            store_floats(multiply_floats(sums[r][t], equal_floats(tile_scale)), y + (size_t)t * stride + r * ROW_LANES);
    }
}

PVIT_INLINE void multiply_q4(const uint8_t *w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                             float *y, size_t stride, int tokens) {
    for (size_t group = 0; group < groups; group++, y += 16) {
        row_floats sums[GROUP_REGISTERS][PVIT_GEMV_TOKENS];
        start_sums(sums, tokens);
        size_t start = 0;
        const pvit_unit first = pvit_q4_unit_in_superblock(PVIT_SUPERBLOCK, 0);
        const pvit_unit second = pvit_q4_unit_in_superblock(PVIT_SUPERBLOCK, PVIT_UNIT);
        const pvit_unit last = pvit_q4_unit_in_superblock(PVIT_UNIT, 0);
        for (; start + PVIT_SUPERBLOCK <= columns;
             start += PVIT_SUPERBLOCK, w += PVIT_SUPERBLOCK * PVIT_Q4_COLUMN_BYTES) {
            pvit_prefetch_stream(w, PVIT_SUPERBLOCK * PVIT_Q4_COLUMN_BYTES);
            add_q4_units(w, first, x, columns, start, sums, tokens);
            add_q4_units(w, second, x, columns, start + PVIT_UNIT, sums, tokens);
        }
        if (start < columns) {
            add_q4_units(w, last, x, columns, start, sums, tokens);
            w += PVIT_UNIT * PVIT_Q4_COLUMN_BYTES;
        }
        store_sums(sums, tile_scale, y, stride, tokens);
    }
}

PVIT_INLINE void multiply_q8(const uint8_t *w, size_t groups, size_t columns, float tile_scale, pvit_wide_activations x,
                             float *y, size_t stride, int tokens) {
    for (size_t group = 0; group < groups; group++, y += 16) {
        row_floats sums[GROUP_REGISTERS][PVIT_GEMV_TOKENS];
        start_sums(sums, tokens);
        size_t start = 0;
        const pvit_unit first = pvit_q8_unit_in_superblock(PVIT_SUPERBLOCK, 0);
        const pvit_unit second = pvit_q8_unit_in_superblock(PVIT_SUPERBLOCK, PVIT_UNIT);
        const pvit_unit last = pvit_q8_unit_in_superblock(PVIT_UNIT, 0);
        for (; start + PVIT_SUPERBLOCK <= columns;
             start += PVIT_SUPERBLOCK, w += PVIT_SUPERBLOCK * PVIT_Q8_COLUMN_BYTES) {
            pvit_prefetch_stream(w, PVIT_SUPERBLOCK * PVIT_Q8_COLUMN_BYTES);
            add_q8_units(w, first, x, columns, start, sums, tokens);
            add_q8_units(w, second, x, columns, start + PVIT_UNIT, sums, tokens);
        }
        if (start < columns) {
            add_q8_units(w, last, x, columns, start, sums, tokens);
            w += PVIT_UNIT * PVIT_Q8_COLUMN_BYTES;
        }
        store_sums(sums, tile_scale, y, stride, tokens);
    }
}

PVIT_TARGET void KERNEL(gemv_q4)(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                 pvit_activations x, size_t tokens, float *restrict y, size_t stride) {
    switch (tokens) {
    case 1: multiply_q4(w, groups, columns, tile_scale, x, y, stride, 1); break;
    case 2: multiply_q4(w, groups, columns, tile_scale, x, y, stride, 2); break;
    case 3: multiply_q4(w, groups, columns, tile_scale, x, y, stride, 3); break;
    case 4: multiply_q4(w, groups, columns, tile_scale, x, y, stride, 4); break;
    }
}

PVIT_TARGET void KERNEL(gemv_q8)(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                 pvit_wide_activations x, size_t tokens, float *restrict y, size_t stride) {
    switch (tokens) {
    case 1: multiply_q8(w, groups, columns, tile_scale, x, y, stride, 1); break;
    case 2: multiply_q8(w, groups, columns, tile_scale, x, y, stride, 2); break;
    case 3: multiply_q8(w, groups, columns, tile_scale, x, y, stride, 3); break;
    case 4: multiply_q8(w, groups, columns, tile_scale, x, y, stride, 4); break;
    }
}
