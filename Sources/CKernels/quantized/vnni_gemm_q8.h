// q8 times many tokens: the two bytes of activations are multiplied separately and combined as integers. Few low bytes
// are not zero. Included after the lanes of an instruction set, which say how many rows a register has.
#pragma once

#include "common/lanes.h"
#include "quantized/product_of_q8.h"
#include "quantized/vnni_products.h"

#define CHUNK_UNITS 16
// Dot products and sums are in registers, as far as there are enough.
#define TILE_TOKENS (REGISTERS == 32 ? 6 : 3)

typedef struct {
    _Alignas(64) uint8_t codes[8][64]; // excess 128: [columns / 4][16 rows][4]
    float scales[16];
} unit;

typedef struct {
    int8_t codes[2][8][4]; // [high bytes, low bytes][columns / 4][columns]
    int32_t starts[2];     // where the dot products of both start: what the excess of the weights adds
    float scale;
    int32_t has_low; // whether any low byte is not zero
} token_unit;

#include "quantized/vnni_gemm.h"

PVIT_INLINE void unpack_unit(const uint8_t *scales, const uint8_t *codes, unit *result) {
    PVIT_UNROLL
    for (int r = 0; r < GROUP_REGISTERS; r++)
        store_floats(q8_scales(scales + 2 * r * ROW_LANES), result->scales + r * ROW_LANES);
    memcpy(result->codes, codes, sizeof result->codes);
}

// Packs 32 columns of `x`, number `i` of them.
PVIT_INLINE void pack_unit(pvit_wide_activations x, size_t i, token_unit *result) {
    split_codes(x.codes + i * 32, result->codes);
    int32_t start = -128 * x.sums[i];
    result->starts[0] = start >> 8; // times 256 and plus the other one, it is the whole
    result->starts[1] = start & 255;
    result->scale = x.scales[i];
    uint64_t low[4];
    memcpy(low, result->codes[1], sizeof low);
    result->has_low = ((low[0] | low[1]) | (low[2] | low[3])) != 0;
}

// Four columns, number `j`, of the rows of register `r`.
PVIT_INLINE row_ints codes_of_rows(const unit units[TILE_GROUPS], int r, int j) {
    return load_ints(units[OF_GROUP(r)].codes[j] + OF_ROW(r) * PVIT_ROW_BYTES);
}

// Adds the products of `count` units of `groups` groups with `tokens` tokens, the first of them `x`, to `sums`.
PVIT_INLINE void multiply_tile(const unit units[][TILE_GROUPS], size_t count, const token_unit *x,
                               float (*sums)[TILE_GROUPS][16], int tokens, int groups) {
    const int registers = groups * GROUP_REGISTERS;
    row_floats sum[TILE_TOKENS][TILE_REGISTERS];
    load_sums(sums, sum, tokens, registers);
    for (size_t u = 0; u < count; u++) {
        row_ints high[TILE_TOKENS][TILE_REGISTERS];
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            PVIT_UNROLL
            for (int r = 0; r < registers; r++) high[t][r] = equal_ints(of_token(x, t, count, u)->starts[0]);
        }
        PVIT_UNROLL
        for (int j = 0; j < 8; j++) {
            row_ints codes[TILE_REGISTERS];
            PVIT_UNROLL
            for (int r = 0; r < registers; r++) codes[r] = codes_of_rows(units[u], r, j);
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                row_ints four = four_codes(of_token(x, t, count, u)->codes[0][j]);
                PVIT_UNROLL
                for (int r = 0; r < registers; r++) {
                    high[t][r] = add_byte_dot(high[t][r], codes[r], four);
                    KEEP_IN_ORDER(high[t][r]);
                }
            }
        }
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            const token_unit *token = of_token(x, t, count, u);
            row_ints whole[TILE_REGISTERS];
            PVIT_UNROLL
            for (int r = 0; r < registers; r++) whole[r] = times_256(high[t][r]);
            if (token->has_low) {
                row_ints low[TILE_REGISTERS];
                PVIT_UNROLL
                for (int r = 0; r < registers; r++) low[r] = equal_ints(token->starts[1]);
                PVIT_UNROLL
                for (int j = 0; j < 8; j++) {
                    row_ints four = four_codes(token->codes[1][j]);
                    PVIT_UNROLL
                    for (int r = 0; r < registers; r++)
                        low[r] = add_byte_dot(low[r], codes_of_rows(units[u], r, j), four);
                }
                PVIT_UNROLL
                for (int r = 0; r < registers; r++) whole[r] = add_ints(whole[r], low[r]);
            }
            PVIT_UNROLL
            for (int r = 0; r < registers; r++) {
                row_floats row_scales = load_floats(units[u][OF_GROUP(r)].scales + OF_ROW(r));
                row_floats term = multiply_floats(converted(whole[r]), row_scales);
                sum[t][r] = multiply_add(term, equal_floats(token->scale), sum[t][r]);
            }
        }
    }
    store_sums(sum, sums, tokens, registers);
}

#include "quantized/gemm_body.h"
