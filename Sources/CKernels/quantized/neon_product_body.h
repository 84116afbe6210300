// Products with any number of tokens, for any type of weights: a group is decoded for a few tokens, and stays in the
// cache for the next few.
//
// Included by the products of NEON after product_of_q4.h or product_of_q8.h, and `add_unit`, which multiplies 32
// columns of some rows of a group.

#include "common/variants.h"
#include "quantized/packed_rows.h"

// One group times `tokens` tokens. `quarters` of its rows are computed together, as many as fit the registers.
PVIT_INLINE void multiply_group(const uint8_t *w, size_t columns, float tile_scale, ACTIVATIONS x, float *y,
                                size_t stride, int tokens, int quarters) {
    for (int first = 0; first < 4; first += quarters) {
        size_t row = 4 * (size_t)first;
        float32x4_t sums[4][GROUP_TOKENS];
        start_sums(sums, tokens, quarters);
        const uint8_t *superblock = w;
        for (size_t start = 0, width; start < columns; start += width) {
            width = pvit_superblock_columns(columns, start);
            pvit_prefetch_stream(superblock, width * COLUMN_BYTES);
            pvit_unit unit = UNIT_IN_SUPERBLOCK(width, 0);
            const uint8_t *scales = superblock + unit.scales + row * ROW_SCALE_BYTES;
            const uint8_t *codes = superblock + unit.codes + row * PVIT_ROW_BYTES;
            for (size_t column = start; column < start + width; column += PVIT_UNIT) {
                add_unit(scales, codes, ACTIVATIONS_AT(x, column), columns, sums, tokens, quarters);
                scales += PVIT_UNIT;
                codes += PVIT_UNIT * CODE_BYTES;
            }
            superblock += width * COLUMN_BYTES;
        }
        store_sums(sums, tile_scale, y + row, stride, tokens, quarters);
    }
}

PVIT_TARGET void GEMV(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, ACTIVATIONS x,
                      size_t tokens, float *restrict y, size_t stride) {
    for (size_t group = 0; group < groups; group++, w += columns * COLUMN_BYTES, y += 16) {
        size_t t = 0;
        for (; t + GROUP_TOKENS <= tokens; t += GROUP_TOKENS)
            multiply_group(w, columns, tile_scale, ACTIVATIONS_FROM(x, columns, t), y + t * stride, stride,
                           GROUP_TOKENS, 1);
        for (; t < tokens; t++)
            multiply_group(w, columns, tile_scale, ACTIVATIONS_FROM(x, columns, t), y + t * stride, stride, 1, 4);
    }
}

PVIT_TARGET void GEMM(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                      const void *restrict packed, size_t tokens, float *restrict y, size_t stride) {
    GEMV(w, groups, columns, tile_scale, PACKED_ROWS(packed, columns, tokens), tokens, y, stride);
}

void PACK(ACTIVATIONS x, size_t start, size_t count, size_t columns, size_t token, size_t tokens, void *packed) {
    PACK_ROW(x, start, count, columns, token, tokens, packed);
}

size_t PACKED_BYTES(size_t columns) { return PACKED_ROW_BYTES(columns); }
