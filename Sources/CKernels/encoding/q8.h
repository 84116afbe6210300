// The q8 encoder: takes, for every block of 32 columns, the scale with the least weighted squared error among a few
// around (largest magnitude / 127). The search helps because each scale gives other rounding errors.
#pragma once

#include "encoding/group.h"

#define Q8_TRIALS 12
#define Q8_FIRST_DIVISOR 127.5f
#define Q8_DIVISOR_STEP 0.5f

// Rounds to binary16 numbers; 0 <= x < 65520.
PVIT_ENCODER_INLINE int_lanes half_bits(lanes x) {
    int_lanes bits = (int_lanes)x;
    int_lanes normal = (bits - (112 << 23) + 0xFFF + ((bits >> 13) & 1)) >> 13;
    int_lanes subnormal = (int_lanes)(x + 0.5f) - 0x3F000000; // in units of 2^-24
    return choose_int(bits >= 0x38800000, normal, subnormal);
}
PVIT_ENCODER_INLINE lanes half_value(int_lanes bits) {
    lanes subnormal = __builtin_convertvector(bits, lanes) * 0x1p-24f;
    return choose(bits >= 0x400, (lanes)((bits << 13) + (112 << 23)), subnormal);
}

PVIT_ENCODER_INLINE lanes q8_value(lanes x, lanes inverse) {
    return nearest_integer(smaller(larger(x * inverse, (lanes)-127.0f), (lanes)127.0f));
}

// The pattern of the best scale of a block.
PVIT_ENCODER_INLINE int_lanes search_q8_block(const float *restrict block, float inverse_tile_scale,
                                              const float *restrict importance) {
    lanes x[32], largest = 0, best_error = INFINITY;
    int_lanes best = 0;
    PVIT_ENCODER_UNROLL
    for (int i = 0; i < 32; i++) {
        x[i] = load_lanes(block + i * 16) * inverse_tile_scale;
        largest = larger(magnitude(x[i]), largest);
    }
    for (int trial = 0; trial < Q8_TRIALS; trial++) {
        int_lanes bits = half_bits(largest * (1 / (Q8_FIRST_DIVISOR - Q8_DIVISOR_STEP * (float)trial)));
        lanes scale = half_value(bits), inverse = inverse_scale(scale), error = 0;
        PVIT_ENCODER_UNROLL
        for (int i = 0; i < 32; i++) {
            lanes difference = x[i] - q8_value(x[i], inverse) * scale;
            error += (difference * difference) * importance[i];
        }
        int_lanes better = error < best_error;
        best_error = choose(better, error, best_error);
        best = choose_int(better, bits, best);
    }
    return best;
}

// Encodes the block of 32 columns whose transposed weights are at `columns` for PVIT_LANES rows; `scales` and `codes`
// are those of the first row.
PVIT_ENCODER_INLINE void encode_q8_block(const float *restrict columns, const float *restrict importance,
                                         float tile_scale, float inverse_tile_scale, uint8_t *restrict scales,
                                         uint8_t *restrict codes, row_errors *errors) {
    int_lanes bits = search_q8_block(columns, inverse_tile_scale, importance);
    short_lanes patterns = __builtin_convertvector(bits, short_lanes);
    memcpy(scales, &patterns, sizeof patterns);
    lanes scale = half_value(bits), inverse = inverse_scale(scale);
    for (int i = 0; i < PVIT_Q8_BLOCK; i += 4) {
        int_lanes word = 0;
        PVIT_ENCODER_UNROLL
        for (int k = 0; k < 4; k++) {
            lanes original = load_lanes(columns + (i + k) * 16);
            lanes value = q8_value(original * inverse_tile_scale, inverse);
            word |= __builtin_convertvector(value + 128.0f, int_lanes) << (k * 8);
            count_error(errors, original, (value * scale) * tile_scale);
        }
        memcpy(codes + i * 16, &word, sizeof word);
    }
}

void PVIT_VARIANT(encode_q8)(const float *restrict w, size_t rows, size_t columns, size_t stride,
                             const float *restrict importance, float tile_scale, float *restrict scratch,
                             uint8_t *restrict group, pvit_error_sums *restrict errors) {
    float inverse_tile_scale = tile_scale > 0 ? 1 / tile_scale : 0;
    transpose_group(w, rows, columns, stride, scratch);
    for (size_t row = 0; row < 16; row += PVIT_LANES) {
        row_errors row_errors = {0};
        for (size_t start = 0; start < columns; start += PVIT_Q8_BLOCK) {
            pvit_unit unit = pvit_q8_unit(columns, start);
            encode_q8_block(scratch + start * 16 + row, importance + start, tile_scale, inverse_tile_scale,
                            group + unit.scales + row * 2, group + unit.codes + row * PVIT_ROW_BYTES, &row_errors);
        }
        add_errors(errors, row_errors);
    }
}
