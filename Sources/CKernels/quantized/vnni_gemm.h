// What the products of VNNI with many tokens share. Included after the lanes of an instruction set and `token_unit`, 32
// activations of one token.
#pragma once

#include "quantized/vnni_products.h"

// Unit `u` of the `t`th of some tokens.
PVIT_INLINE const token_unit *of_token(const token_unit *x, int t, size_t count, size_t u) {
    return x + (size_t)t * count + u;
}

// Registers of a tile of groups, and which group and first row register `r` is of.
#define TILE_REGISTERS (TILE_GROUPS * GROUP_REGISTERS)
#define OF_GROUP(r) ((r) / GROUP_REGISTERS)
#define OF_ROW(r) ((r) % GROUP_REGISTERS * ROW_LANES)

// The sums of a tile, from memory to registers and back.
PVIT_INLINE void load_sums(float (*from)[TILE_GROUPS][16], row_floats sums[][TILE_REGISTERS], int tokens,
                           int registers) {
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        PVIT_UNROLL
        for (int r = 0; r < registers; r++) sums[t][r] = load_floats(&from[t][OF_GROUP(r)][OF_ROW(r)]);
    }
}
PVIT_INLINE void store_sums(row_floats sums[][TILE_REGISTERS], float (*to)[TILE_GROUPS][16], int tokens,
                            int registers) {
    PVIT_UNROLL
    for (int t = 0; t < tokens; t++) {
        PVIT_UNROLL
        for (int r = 0; r < registers; r++) store_floats(sums[t][r], &to[t][OF_GROUP(r)][OF_ROW(r)]);
    }
}
