// Single rows of groups as floats. Included by each instruction set's file.
#pragma once

#include "block_layout.h"

// Sixteen values times the scale of their block.
PVIT_INLINE void store_scaled(const int16_t *values, float scale, float tile_scale, float *result) {
    typedef int16_t i16x16 __attribute__((ext_vector_type(16)));
    i16x16 integers;
    memcpy(&integers, values, sizeof integers);
    store_f32(__builtin_convertvector(integers, f32x16) * splat(scale) * splat(tile_scale), result);
}

PVIT_TARGET static void row_q8(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale,
                               float *restrict result) {
    for (size_t start = 0; start < columns; start += PVIT_Q8_BLOCK) {
        pvit_unit unit = pvit_q8_unit(columns, start);
        const uint8_t *codes = group + unit.codes + row * PVIT_ROW_BYTES;
        uint16_t half;
        memcpy(&half, group + unit.scales + row * 2, sizeof half);
        for (size_t i = 0; i < PVIT_Q8_BLOCK; i += 16) {
            int16_t values[16];
            for (size_t k = 0; k < 16; k++) values[k] = (int16_t)(codes[(i + k) / 4 * PVIT_CODE_WORD + k % 4] - 128);
            store_scaled(values, f16_number(half), tile_scale, result + start + i);
        }
    }
}

PVIT_TARGET static void row_q4(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale,
                               float *restrict result) {
    for (size_t start = 0; start < columns; start += PVIT_Q4_BLOCK) {
        pvit_unit unit = pvit_q4_unit(columns, start);
        const uint8_t *codes = group + unit.codes + row * PVIT_ROW_BYTES;
        uint8_t field = group[unit.scales + row];
        int shift = (field >> 7) * PVIT_Q4_SHIFT;
        int16_t values[16];
        for (size_t k = 0; k < 8; k++) {
            uint8_t byte = codes[k / 4 * PVIT_CODE_WORD + k % 4];
            values[k / 4 * 8 + k % 4] = (int16_t)(pvit_q4_codebook[byte & 15] + shift);
            values[k / 4 * 8 + 4 + k % 4] = (int16_t)(pvit_q4_codebook[byte >> 4] + shift);
        }
        float scale = f16_number((uint16_t)((field & 127) << PVIT_Q4_SCALE_SHIFT));
        store_scaled(values, scale, tile_scale, result + start);
    }
}
