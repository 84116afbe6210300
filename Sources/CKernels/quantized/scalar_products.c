#include "block_layout.h"
#include "common/variants.h"
#include "quantized/packed_rows.h"

// The largest absolute value of 32 numbers.
static float largest_magnitude(const float *x) {
    float maximum = 0;
    for (size_t i = 0; i < 32; i++) {
        float magnitude = fabsf(x[i]);
        maximum = magnitude > maximum ? magnitude : maximum;
    }
    return maximum;
}

void pvit_scalar_quantize_activations(const float *restrict x, size_t columns, int8_t *restrict codes,
                                      float *restrict scales, int32_t *restrict sums) {
    for (size_t start = 0; start < columns; start += 32) {
        float maximum = largest_magnitude(x + start);
        int occupied = maximum >= PVIT_ACTIVATION_MINIMUM;
        float inverse = occupied ? 127.0f / maximum : 0;
        scales[start / 32] = occupied ? maximum / 127.0f : 0;
        for (size_t half = start; half < start + 32; half += 16) {
            int32_t sum = 0;
            for (size_t i = half; i < half + 16; i++) {
                codes[i] = (int8_t)(uint8_t)pvit_float_bits(x[i] * inverse + PVIT_INTEGER_BIAS);
                sum += codes[i];
            }
            sums[half / 16] = sum;
        }
    }
}

// The squares are added in sixteen lanes, like those of registers.
float pvit_scalar_byte_limit(const float *x, size_t columns) {
    float squares[16] = {0};
    for (size_t i = 0; i < columns; i += 16)
        for (size_t lane = 0; lane < 16; lane++) squares[lane] += x[i + lane] * x[i + lane];
    return PVIT_BYTE_LIMIT * sqrtf(pvit_add_pairwise(squares) / (float)columns);
}

void pvit_scalar_quantize_wide_activations(const float *restrict x, size_t columns, float byte_limit,
                                           int16_t *restrict codes, float *restrict scales, int32_t *restrict sums) {
    for (size_t start = 0; start < columns; start += 32) {
        float maximum = largest_magnitude(x + start);
        int occupied = maximum >= PVIT_ACTIVATION_MINIMUM;
        pvit_code_range range = pvit_code_range_of(maximum, byte_limit);
        float inverse = occupied ? range.maximum / maximum : 0;
        int32_t sum = 0;
        for (size_t i = start; i < start + 32; i++) {
            codes[i] = (int16_t)(uint16_t)(pvit_float_bits(x[i] * inverse + PVIT_INTEGER_BIAS) << range.shift);
            sum += codes[i];
        }
        scales[start / 32] = occupied ? maximum / range.maximum * range.unit : 0;
        sums[start / 32] = sum;
    }
}

// The dot product of 16 columns of one row of a q4 group, shift included. `fields` and `codes` are the block's own.
static int32_t dot_q4_block(const uint8_t *fields, const uint8_t *codes, size_t row, const int8_t *x, int32_t sum) {
    int32_t dot = 0;
    for (size_t j = 0; j < 2; j++) {
        const uint8_t *bytes = codes + j * 64 + row * 4;
        for (size_t k = 0; k < 4; k++) {
            dot += pvit_q4_codebook[bytes[k] & 15] * x[8 * j + k];
            dot += pvit_q4_codebook[bytes[k] >> 4] * x[8 * j + 4 + k];
        }
    }
    return dot + (fields[row] >> 7) * PVIT_Q4_SHIFT * sum;
}

// One row times one token. For each 32 columns the two blocks' integer dot products, each exact as a float above
// PVIT_INTEGER_BIAS, are scaled and added; the bias is subtracted in the same chain of fused multiply-adds. This rounds
// to about one unit of the integers, which are about 10^4, and saves the conversions.
static float dot_q4(const uint8_t *group, size_t row, size_t columns, pvit_activations x) {
    float sum = 0;
    for (size_t start = 0; start < columns; start += 32) {
        pvit_unit unit = pvit_q4_unit(columns, start);
        const uint8_t *fields = group + unit.scales, *codes = group + unit.codes;
        int32_t dot0 = dot_q4_block(fields, codes, row, x.codes + start, x.sums[start / 16]);
        int32_t dot1 =
            dot_q4_block(fields + 16, codes + 2 * PVIT_CODE_WORD, row, x.codes + start + 16, x.sums[start / 16 + 1]);
        float scale0 = pvit_q4_scale(fields[row]), scale1 = pvit_q4_scale(fields[16 + row]);
        float term = fmaf(PVIT_INTEGER_BIAS + (float)dot0, scale0, (scale0 + scale1) * -PVIT_INTEGER_BIAS);
        term = fmaf(PVIT_INTEGER_BIAS + (float)dot1, scale1, term);
        sum = fmaf(term, x.scales[start / 32], sum);
    }
    return sum;
}

// The same with one block of 32 columns. Its integer dot product has up to 27 bits and is rounded to a float.
static float dot_q8(const uint8_t *group, size_t row, size_t columns, pvit_wide_activations x) {
    float sum = 0;
    for (size_t start = 0; start < columns; start += 32) {
        pvit_unit unit = pvit_q8_unit(columns, start);
        const uint8_t *codes = group + unit.codes;
        uint16_t half;
        memcpy(&half, group + unit.scales + row * 2, sizeof half);
        float scale = pvit_f16_to_f32(half);
        int32_t dot = 0;
        for (size_t i = 0; i < 32; i++) dot += (codes[i / 4 * 64 + row * 4 + i % 4] - 128) * x.codes[start + i];
        sum = fmaf((float)dot * scale, x.scales[start / 32], sum);
    }
    return sum;
}

void pvit_scalar_gemv_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                         size_t tokens, float *restrict y, size_t stride) {
    for (size_t token = 0; token < tokens; token++, y += stride)
        for (size_t row = 0; row < groups * 16; row++)
            y[row] = dot_q4(w + row / 16 * columns * PVIT_Q4_COLUMN_BYTES, row % 16, columns,
                            pvit_activations_from(x, columns, token)) *
                     tile_scale;
}

void pvit_scalar_gemv_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                         pvit_wide_activations x, size_t tokens, float *restrict y, size_t stride) {
    for (size_t token = 0; token < tokens; token++, y += stride)
        for (size_t row = 0; row < groups * 16; row++)
            y[row] = dot_q8(w + row / 16 * columns * PVIT_Q8_COLUMN_BYTES, row % 16, columns,
                            pvit_wide_activations_from(x, columns, token)) *
                     tile_scale;
}

void pvit_scalar_gemm_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                         const void *restrict packed, size_t tokens, float *restrict y, size_t stride) {
    pvit_scalar_gemv_q4(w, groups, columns, tile_scale, pvit_packed_rows(packed, columns, tokens), tokens, y, stride);
}

void pvit_scalar_pack_activations(pvit_activations x, size_t start, size_t count, size_t columns, size_t token,
                                  size_t tokens, void *packed) {
    pvit_pack_row(x, start, count, columns, token, tokens, packed);
}

size_t pvit_scalar_packed_activation_bytes(size_t columns) { return pvit_packed_row_bytes(columns); }

void pvit_scalar_gemm_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                         const void *restrict packed, size_t tokens, float *restrict y, size_t stride) {
    pvit_scalar_gemv_q8(w, groups, columns, tile_scale, pvit_packed_wide_rows(packed, columns, tokens), tokens, y,
                        stride);
}

void pvit_scalar_pack_wide_activations(pvit_wide_activations x, size_t start, size_t count, size_t columns,
                                       size_t token, size_t tokens, void *packed) {
    pvit_pack_wide_row(x, start, count, columns, token, tokens, packed);
}

size_t pvit_scalar_packed_wide_activation_bytes(size_t columns) { return pvit_packed_wide_row_bytes(columns); }

void pvit_scalar_row_q8(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale,
                        float *restrict result) {
    for (size_t i = 0; i < columns; i++) {
        pvit_unit unit = pvit_q8_unit(columns, i / PVIT_Q8_BLOCK * PVIT_Q8_BLOCK);
        size_t column = i % PVIT_Q8_BLOCK;
        uint16_t half;
        memcpy(&half, group + unit.scales + row * 2, sizeof half);
        const uint8_t *codes = group + unit.codes + column / 4 * PVIT_CODE_WORD + row * PVIT_ROW_BYTES;
        float value = (float)(codes[column % 4] - 128);
        result[i] = value * pvit_f16_to_f32(half) * tile_scale;
    }
}

void pvit_scalar_row_q4(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale,
                        float *restrict result) {
    for (size_t i = 0; i < columns; i++) {
        pvit_unit unit = pvit_q4_unit(columns, i / PVIT_Q4_BLOCK * PVIT_Q4_BLOCK);
        size_t column = i % PVIT_Q4_BLOCK;
        uint8_t field = group[unit.scales + row];
        uint8_t byte = group[unit.codes + column / 8 * PVIT_CODE_WORD + row * PVIT_ROW_BYTES + column % 4];
        int value = pvit_q4_codebook[column % 8 < 4 ? byte & 15 : byte >> 4] + (field >> 7) * PVIT_Q4_SHIFT;
        result[i] = (float)value * pvit_q4_scale(field) * tile_scale;
    }
}
