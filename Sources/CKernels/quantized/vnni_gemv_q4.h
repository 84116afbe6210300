// q4 times few tokens. Included after the lanes of an instruction set, which say how many rows a register has.
#pragma once

#include "quantized/product_of_q4.h"
#include "quantized/vnni_products.h"

// 32 columns of the rows of a register times `tokens` tokens.
PVIT_INLINE void add_unit(const uint8_t *fields, const uint8_t *codes, pvit_activations x, size_t columns, size_t start,
                          row_floats sums[PVIT_GEMV_TOKENS], int tokens) {
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

#include "quantized/vnni_gemv_body.h"
