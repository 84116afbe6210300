// q8 times few tokens. Included after the lanes of an instruction set, which say how many rows a register has.
#pragma once

#include "quantized/product_of_q8.h"
#include "quantized/vnni_products.h"

// 32 columns of the rows of a register times `tokens` tokens.
PVIT_INLINE void add_unit(const uint8_t *scales, const uint8_t *codes, pvit_wide_activations x, size_t columns,
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

#include "quantized/vnni_gemv_body.h"
