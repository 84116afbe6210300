// Products of q8 weights, four rows to a register, four columns to a lane. An activation of 16 bits is 256 times a
// signed byte plus a signed byte, and each byte has its own dot product. Included by the files of the instruction sets.

#define Q8_TOKENS 4

// 32 columns of `quarters` times four rows, times `tokens` tokens. `scales` and `codes` are those of the first row, `x`
// starts at the first of the columns.
PVIT_INLINE void add_q8_unit(const uint8_t *scales, const uint8_t *codes, pvit_wide_activations x, size_t columns,
                             float32x4_t sums[4][Q8_TOKENS], int tokens, int quarters) {
    int32x4_t high[4][Q8_TOKENS], low[4][Q8_TOKENS];
    PVIT_UNROLL
    for (int q = 0; q < quarters; q++) {
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) high[q][t] = low[q][t] = vdupq_n_s32(0);
    }
    PVIT_UNROLL
    for (int half = 0; half < 2; half++) {
        code_bytes bytes[Q8_TOKENS];
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) bytes[t] = split_codes(x.codes + (size_t)t * columns + 16 * half);
        PVIT_UNROLL
        for (int j = 0; j < 4; j++) {
            PVIT_UNROLL
            for (int q = 0; q < quarters; q++) {
                uint8x16_t biased = vld1q_u8(codes + (4 * half + j) * PVIT_CODE_WORD + 16 * q);
                int8x16_t weights = vreinterpretq_s8_u8(veorq_u8(biased, vdupq_n_u8(128)));
                PVIT_UNROLL
                for (int t = 0; t < tokens; t++) {
                    high[q][t] = add_dots(high[q][t], weights, four_of(bytes[t].high, j));
                    low[q][t] = add_dots(low[q][t], weights, four_of(bytes[t].low, j));
                }
            }
        }
    }
    PVIT_UNROLL
    for (int q = 0; q < quarters; q++) {
        float32x4_t scale = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(scales + 8 * q)));
        PVIT_UNROLL
        for (int t = 0; t < tokens; t++) {
            int32x4_t dots = vaddq_s32(vshlq_n_s32(high[q][t], 8), low[q][t]);
            float32x4_t term = vmulq_f32(vcvtq_f32_s32(dots), scale);
            sums[q][t] = vfmaq_n_f32(sums[q][t], term, x.scales[(size_t)t * (columns / 32)]);
        }
    }
}

// One group times `tokens` tokens. `quarters` of its rows are computed together, as many as fit the registers.
PVIT_INLINE void multiply_q8_group(const uint8_t *w, size_t columns, float tile_scale, pvit_wide_activations x,
                                   float *y, size_t stride, int tokens, int quarters) {
    for (int first = 0; first < 4; first += quarters) {
        size_t row = 4 * (size_t)first;
        float32x4_t sums[4][Q8_TOKENS];
        PVIT_UNROLL
        for (int q = 0; q < quarters; q++) {
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++) sums[q][t] = vdupq_n_f32(0);
        }
        const uint8_t *superblock = w;
        for (size_t start = 0, width; start < columns; start += width) {
            width = pvit_superblock_columns(columns, start);
            pvit_prefetch_stream(superblock, width * PVIT_Q8_COLUMN_BYTES);
            pvit_unit unit = pvit_q8_unit_in_superblock(width, 0);
            const uint8_t *scales = superblock + unit.scales + 2 * row;
            const uint8_t *codes = superblock + unit.codes + PVIT_ROW_BYTES * row;
            for (size_t i = start; i < start + width; i += PVIT_UNIT) {
                pvit_wide_activations part = {x.codes + i, x.scales + i / 32, x.sums + i / 32};
                add_q8_unit(scales, codes, part, columns, sums, tokens, quarters);
                scales += PVIT_UNIT;
                codes += PVIT_UNIT * PVIT_Q8_CODE_BYTES;
            }
            superblock += width * PVIT_Q8_COLUMN_BYTES;
        }
        PVIT_UNROLL
        for (int q = 0; q < quarters; q++) {
            PVIT_UNROLL
            for (int t = 0; t < tokens; t++)
                vst1q_f32(y + (size_t)t * stride + row + 4 * (size_t)q, vmulq_n_f32(sums[q][t], tile_scale));
        }
    }
}

PVIT_TARGET static void gemv_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                pvit_wide_activations x, size_t tokens, float *restrict y, size_t stride) {
    for (size_t group = 0; group < groups; group++, w += columns * PVIT_Q8_COLUMN_BYTES, y += 16) {
        size_t t = 0;
        for (; t + Q8_TOKENS <= tokens; t += Q8_TOKENS)
            multiply_q8_group(w, columns, tile_scale, pvit_wide_activations_from(x, columns, t), y + t * stride, stride,
                              Q8_TOKENS, 1);
        for (; t < tokens; t++)
            multiply_q8_group(w, columns, tile_scale, pvit_wide_activations_from(x, columns, t), y + t * stride, stride,
                              1, 4);
    }
}

PVIT_TARGET static void gemm_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                                const void *restrict packed, size_t tokens, float *restrict y, size_t stride) {
    gemv_q8(w, groups, columns, tile_scale, pvit_packed_wide_rows(packed, columns, tokens), tokens, y, stride);
}

static void pack_wide_activations(pvit_wide_activations x, size_t start, size_t count, size_t columns, size_t token,
                                  size_t tokens, void *packed) {
    pvit_pack_wide_row(x, start, count, columns, token, tokens, packed);
}

static size_t packed_wide_activation_bytes(size_t columns) { return pvit_packed_wide_row_bytes(columns); }
