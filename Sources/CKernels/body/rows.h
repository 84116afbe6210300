// Single rows of groups as floats. Included by each instruction set's kernels.c.

// Sixteen values times the scale of their block.
PVIT_INLINE void store_scaled(const int16_t *values, float scale, float tile_scale, float *result) {
    typedef int16_t i16x16 __attribute__((ext_vector_type(16)));
    i16x16 integers;
    memcpy(&integers, values, sizeof integers);
    store_f32(__builtin_convertvector(integers, f32x16) * splat(scale) * splat(tile_scale), result);
}

PVIT_TARGET static void row_q8(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale,
                               float *restrict result) {
    for (size_t start = 0; start < columns; start += PVIT_SUPERBLOCK) {
        size_t width = pvit_superblock_columns(columns, start);
        const uint8_t *scales = group + start * PVIT_Q8_COLUMN_BYTES, *codes = scales + width + row * 4;
        for (size_t i = 0; i < width; i += 16) {
            int16_t values[16];
            for (size_t k = 0; k < 16; k++) values[k] = (int16_t)(codes[(i + k) / 4 * 64 + k % 4] - 128);
            uint16_t half;
            memcpy(&half, scales + i / 32 * 32 + row * 2, sizeof half);
            store_scaled(values, f16_number(half), tile_scale, result + start + i);
        }
    }
}

PVIT_TARGET static void row_q4(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale,
                               float *restrict result) {
    for (size_t start = 0; start < columns; start += PVIT_SUPERBLOCK) {
        size_t width = pvit_superblock_columns(columns, start);
        const uint8_t *fields = group + start * PVIT_Q4_COLUMN_BYTES, *codes = fields + width + row * 4;
        for (size_t i = 0; i < width; i += 16) {
            uint8_t field = fields[i + row];
            int shift = (field >> 7) * PVIT_Q4_SHIFT;
            int16_t values[16];
            for (size_t k = 0; k < 8; k++) {
                uint8_t byte = codes[(i / 8 + k / 4) * 64 + k % 4];
                values[k / 4 * 8 + k % 4] = (int16_t)(pvit_q4_codebook[byte & 15] + shift);
                values[k / 4 * 8 + 4 + k % 4] = (int16_t)(pvit_q4_codebook[byte >> 4] + shift);
            }
            float scale = f16_number((uint16_t)((field & 127) << PVIT_Q4_SCALE_SHIFT));
            store_scaled(values, scale, tile_scale, result + start + i);
        }
    }
}
