// Products of a few float vectors with float weights, to measure importance while a model is encoded.
#pragma once

#include "encoding/group.h"

#define TOKENS_AT_ONCE (PVIT_LANES == 16 ? 16 : 8)

// result[token * result_stride + row] for `count` <= TOKENS_AT_ONCE tokens; sums run over the columns in order.
PVIT_ENCODER_INLINE void project_tokens(const float *restrict transposed, size_t columns, const float *restrict x,
                                        size_t x_stride, size_t count, float *restrict result, size_t result_stride,
                                        size_t rows, size_t first_row) {
    lanes sums[TOKENS_AT_ONCE];
    PVIT_ENCODER_UNROLL
    for (int token = 0; token < TOKENS_AT_ONCE; token++) sums[token] = 0;
    const float *tokens[TOKENS_AT_ONCE]; // missing tokens repeat the first
    PVIT_ENCODER_UNROLL
    for (size_t token = 0; token < TOKENS_AT_ONCE; token++) tokens[token] = x + (token < count ? token : 0) * x_stride;
    for (size_t column = 0; column < columns; column++) {
        lanes weight = load_lanes(transposed + column * 16);
        PVIT_ENCODER_UNROLL
        for (int token = 0; token < TOKENS_AT_ONCE; token++) sums[token] += weight * tokens[token][column];
    }
    PVIT_ENCODER_UNROLL
    for (size_t token = 0; token < TOKENS_AT_ONCE; token++) {
        if (token >= count) continue;
        for (size_t lane = 0; lane < PVIT_LANES; lane++) {
            if (first_row + lane < rows) result[token * result_stride + first_row + lane] = sums[token][lane];
        }
    }
}

void PVIT_VARIANT(project_rows)(const float *restrict w, size_t rows, size_t columns, size_t stride,
                                const float *restrict x, size_t x_stride, size_t tokens, float *restrict scratch,
                                float *restrict result, size_t result_stride) {
    transpose_group(w, rows, columns, stride, scratch);
    for (size_t token = 0; token < tokens; token += TOKENS_AT_ONCE) {
        size_t count = tokens - token < TOKENS_AT_ONCE ? tokens - token : TOKENS_AT_ONCE;
        for (size_t row = 0; row < 16; row += PVIT_LANES)
            project_tokens(scratch + row, columns, x + token * x_stride, x_stride, count,
                           result + token * result_stride, result_stride, rows, row);
    }
}
