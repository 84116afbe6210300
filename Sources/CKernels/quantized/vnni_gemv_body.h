// Products with few tokens, for any type of weights: the weights are read from memory once and decoded in registers.
//
// Included by the gemv files of VNNI after the lanes of an instruction set, product_of_q4.h or product_of_q8.h, and
// `add_unit`, which multiplies 32 columns of the rows of a register.

// 32 columns of a group.
PVIT_INLINE void add_units(const uint8_t *superblock, pvit_unit unit, ACTIVATIONS x, size_t columns, size_t start,
                           row_floats sums[][PVIT_GEMV_TOKENS], int tokens) {
    PVIT_UNROLL
    for (int r = 0; r < GROUP_REGISTERS; r++)
        add_unit(superblock + unit.scales + r * ROW_LANES * ROW_SCALE_BYTES,
                 superblock + unit.codes + r * REGISTER_BYTES, x, columns, start, sums[r], tokens);
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

PVIT_INLINE void multiply(const uint8_t *w, size_t groups, size_t columns, float tile_scale, ACTIVATIONS x, float *y,
                          size_t stride, int tokens) {
    for (size_t group = 0; group < groups; group++, y += 16) {
        row_floats sums[GROUP_REGISTERS][PVIT_GEMV_TOKENS];
        start_sums(sums, tokens);
        size_t start = 0;
        const pvit_unit first = UNIT_IN_SUPERBLOCK(PVIT_SUPERBLOCK, 0);
        const pvit_unit second = UNIT_IN_SUPERBLOCK(PVIT_SUPERBLOCK, PVIT_UNIT);
        const pvit_unit last = UNIT_IN_SUPERBLOCK(PVIT_UNIT, 0);
        for (; start + PVIT_SUPERBLOCK <= columns; start += PVIT_SUPERBLOCK, w += PVIT_SUPERBLOCK * COLUMN_BYTES) {
            pvit_prefetch_stream(w, PVIT_SUPERBLOCK * COLUMN_BYTES);
            add_units(w, first, x, columns, start, sums, tokens);
            add_units(w, second, x, columns, start + PVIT_UNIT, sums, tokens);
        }
        if (start < columns) {
            add_units(w, last, x, columns, start, sums, tokens);
            w += UNIT_BYTES;
        }
        store_sums(sums, tile_scale, y, stride, tokens);
    }
}

PVIT_TARGET void GEMV(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, ACTIVATIONS x,
                      size_t tokens, float *restrict y, size_t stride) {
    switch (tokens) {
    case 1: multiply(w, groups, columns, tile_scale, x, y, stride, 1); break;
    case 2: multiply(w, groups, columns, tile_scale, x, y, stride, 2); break;
    case 3: multiply(w, groups, columns, tile_scale, x, y, stride, 3); break;
    case 4: multiply(w, groups, columns, tile_scale, x, y, stride, 4); break;
    }
}
