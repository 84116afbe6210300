// q4 times many tokens: codes are looked up once per block of tokens and multiplied by bytes of activations. Included
// after the lanes of an instruction set, which say how many rows a register has.
#pragma once

#include "common/lanes.h"
#include "quantized/product_of_q4.h"
#include "quantized/vnni_products.h"

#define CHUNK_UNITS 16
// Dot products, terms and sums are in registers, as far as there are enough.
#define TILE_TOKENS (REGISTERS == 32 ? 4 : 3)

typedef struct {
    _Alignas(64) uint8_t codes[8][64]; // excess 128, shift included: [columns / 4][16 rows][4]
    float scales[2][16];               // of the two blocks
    float unbias[16];                  // minus PVIT_INTEGER_BIAS times the sum of the scales
} unit;

typedef struct {
    int8_t codes[32];
    int32_t starts[2]; // where the dot products of the blocks start
    float scale;
} token_unit;

#include "quantized/vnni_gemm.h"

PVIT_INLINE void unpack_unit(const uint8_t *fields, const uint8_t *codes, unit *result) {
    row_ints codebook = codebook_excess128();
    const int four_shifts = (int)((PVIT_Q4_SHIFT & 0xFF) * 0x01010101u); // one in each byte
    PVIT_UNROLL
    for (int r = 0; r < GROUP_REGISTERS; r++) {
        const uint8_t *own_fields = fields + r * ROW_LANES;
        row_floats scales[2] = {q4_scales(own_fields), q4_scales(own_fields + 16)};
        store_floats(scales[0], result->scales[0] + r * ROW_LANES);
        store_floats(scales[1], result->scales[1] + r * ROW_LANES);
        store_floats(multiply_floats(add_floats(scales[0], scales[1]), equal_floats(-PVIT_INTEGER_BIAS)),
                     result->unbias + r * ROW_LANES);
        PVIT_UNROLL
        for (int j = 0; j < 4; j++) {
            row_ints bytes = load_ints(codes + j * PVIT_CODE_WORD + r * REGISTER_BYTES);
            row_ints shift = where_shifted(own_fields + j / 2 * 16, four_shifts);
            store_ints(add_bytes(low_values(bytes, codebook), shift), result->codes[2 * j] + r * REGISTER_BYTES);
            store_ints(add_bytes(high_values(bytes, codebook), shift), result->codes[2 * j + 1] + r * REGISTER_BYTES);
        }
    }
}

// Packs 32 columns of `x`, number `i` of them.
PVIT_INLINE void pack_unit(pvit_activations x, size_t i, token_unit *result) {
    memcpy(result->codes, x.codes + i * 32, sizeof result->codes);
    for (size_t block = 0; block < 2; block++) result->starts[block] = biased_start(x.sums[2 * i + block]);
    result->scale = x.scales[i];
}

// Adds the products of `count` units of `groups` groups with `tokens` tokens, the first of them `x`, to `sums`.
PVIT_INLINE void multiply_tile(const unit units[][TILE_GROUPS], size_t count, const token_unit *x,
                               float (*sums)[TILE_GROUPS][16], int tokens, int groups) {
    const int registers = groups * GROUP_REGISTERS;
    row_floats sum[TILE_TOKENS][TILE_REGISTERS];
    load_sums(sums, sum, tokens, registers);
    for (size_t u = 0; u < count; u++) {
        row_floats term[TILE_TOKENS][TILE_REGISTERS];
        PVIT_UNROLL
        for (int block = 0; block < 2; block++) {
            row_ints dot[TILE_TOKENS][TILE_REGISTERS];
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) {
                PVIT_UNROLL
                for (int r = 0; r < registers; r++) dot[t][r] = equal_ints(of_token(x, t, count, u)->starts[block]);
            }
            PVIT_UNROLL
            for (int j = block * 4; j < block * 4 + 4; j++) {
                row_ints codes[TILE_REGISTERS];
                PVIT_UNROLL
                for (int r = 0; r < registers; r++)
                    codes[r] = load_ints(units[u][OF_GROUP(r)].codes[j] + OF_ROW(r) * PVIT_ROW_BYTES);
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++) {
                    row_ints four = four_codes(of_token(x, t, count, u)->codes + j * 4);
                    PVIT_UNROLL
                    for (int r = 0; r < registers; r++) {
                        dot[t][r] = add_byte_dot(dot[t][r], codes[r], four);
                        KEEP_IN_ORDER(dot[t][r]);
                    }
                }
            }
            PVIT_UNROLL
            for (int r = 0; r < registers; r++) {
                const unit *own = &units[u][OF_GROUP(r)];
                row_floats scale = load_floats(own->scales[block] + OF_ROW(r));
                row_floats unbias = load_floats(own->unbias + OF_ROW(r));
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++)
                    term[t][r] = multiply_add(as_floats(dot[t][r]), scale, block ? term[t][r] : unbias);
            }
        }
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            row_floats scale = equal_floats(of_token(x, t, count, u)->scale);
            PVIT_UNROLL
            for (int r = 0; r < registers; r++) sum[t][r] = multiply_add(term[t][r], scale, sum[t][r]);
        }
    }
    store_sums(sum, sums, tokens, registers);
}

#include "quantized/gemm_body.h"
