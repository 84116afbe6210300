// q8 times many tokens: the two bytes of activations are multiplied separately and combined as integers. Included after
// the lanes of an instruction set, which say how many rows a register has.
#pragma once

#include "common/lanes.h"
#include "quantized/product_of_q8.h"
#include "quantized/vnni_products.h"

#define CHUNK_UNITS 16
#define TILE_TOKENS 3

typedef struct {
    _Alignas(64) uint8_t codes[8][64]; // excess 128: [columns / 4][16 rows][4]
    float scales[16];
} unit;

typedef struct {
    int8_t codes[8][2][4]; // [columns / 4][high byte, low byte][columns]
    int32_t start;         // where the dot product starts: what the excess of the weights adds, negative
    float scale;
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
    result->start = -128 * x.sums[i];
    result->scale = x.scales[i];
}

// Adds the products of `count` units of `groups` groups with `tokens` tokens, the first of them `x`, to `sums`.
PVIT_INLINE void multiply_tile(const unit units[][TILE_GROUPS], size_t count, const token_unit *x,
                               float (*sums)[TILE_GROUPS][16], int tokens, int groups) {
    const int registers = groups * GROUP_REGISTERS;
    row_floats sum[TILE_TOKENS][TILE_REGISTERS];
    load_sums(sums, sum, tokens, registers);
    for (size_t u = 0; u < count; u++) {
        row_ints dot[2][TILE_TOKENS][TILE_REGISTERS]; // [bytes][tokens][registers]
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            PVIT_UNROLL
            for (int r = 0; r < registers; r++) {
                dot[0][t][r] = equal_ints(0);
                dot[1][t][r] = equal_ints(of_token(x, t, count, u)->start);
            }
        }
        PVIT_UNROLL
        for (int j = 0; j < 8; j++) {
            row_ints codes[TILE_REGISTERS];
            PVIT_UNROLL
            for (int r = 0; r < registers; r++)
                codes[r] = load_ints(units[u][OF_GROUP(r)].codes[j] + OF_ROW(r) * PVIT_ROW_BYTES);
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                PVIT_UNROLL
                for (int byte = 0; byte < 2; byte++) {
                    row_ints four = four_codes(of_token(x, t, count, u)->codes[j][byte]);
                    PVIT_UNROLL
                    for (int r = 0; r < registers; r++) {
                        dot[byte][t][r] = add_byte_dot(dot[byte][t][r], codes[r], four);
                        KEEP_IN_ORDER(dot[byte][t][r]);
                    }
                }
            }
        }
        PVIT_UNROLL
        for (int r = 0; r < registers; r++) {
            row_floats row_scales = load_floats(units[u][OF_GROUP(r)].scales + OF_ROW(r));
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                row_ints whole = add_ints(times_256(dot[0][t][r]), dot[1][t][r]);
                row_floats term = multiply_floats(converted(whole), row_scales);
                sum[t][r] = multiply_add(term, equal_floats(of_token(x, t, count, u)->scale), sum[t][r]);
            }
        }
    }
    store_sums(sum, sums, tokens, registers);
}

#include "quantized/gemm_body.h"
