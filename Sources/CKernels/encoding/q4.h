// The q4 encoder: for every block of 16 columns the scale field whose weighted squared error is least, among the fields
// around the one that fits the block's largest magnitude, with and without the codebook's shift.
//
// Included once for each instruction set, after `lookup32` and `lookup16`.
#pragma once

#include "encoding/group.h"

// Every other field is tried from the one at or below this fraction of (largest magnitude / largest codebook value)
// upwards, and then the two neighbours of the best.
#define LOWEST_FRACTION 0.55f
#define FIELDS_SPANNED 22 // up to about 1.4 times that quotient

// Finding the nearest codebook value. Values in [-128, 128) lie in 32 cells of width 8, and no cell holds more than one
// of the 15 boundaries between neighbouring values. `boundaries[cell]` is that boundary (or a number above all values),
// with the index of the value below it in the low four bits of the pattern: too small a change to matter.
typedef struct {
    float boundaries[32];
    float values[16];
} nearest_table;

PVIT_ENCODER_INLINE nearest_table make_nearest_table(void) {
    nearest_table table;
    int below = 0;
    for (int i = 0; i < 16; i++) table.values[i] = pvit_q4_codebook[i];
    for (int cell = 0; cell < 32; cell++) {
        float end = (float)(cell * 8 - 120), boundary = 1024;
        int index = below;
        if (below < 15 && (table.values[below] + table.values[below + 1]) / 2 < end) {
            boundary = (table.values[below] + table.values[below + 1]) / 2;
            below++;
        }
        table.boundaries[cell] = pvit_bits_float((pvit_float_bits(boundary) & ~15u) | (uint32_t)index);
    }
    return table;
}

PVIT_ENCODER_INLINE int_lanes nearest_index(const nearest_table *table, lanes x) {
    lanes bounded = smaller(larger(x, (lanes)-128.0f), (lanes)127.5f);
    int_lanes cell = __builtin_convertvector((bounded + 128.0f) * 0.125f, int_lanes);
    lanes boundary = lookup32(table->boundaries, cell);
    return ((int_lanes)boundary & 15) - (x > boundary); // a comparison that holds is -1
}

// The scale of a field without its shift bit, as `pvit_q4_scale`.
PVIT_ENCODER_INLINE lanes scale_of_field(int_lanes field) {
    const int mantissa_bits = 10 - PVIT_Q4_SCALE_SHIFT;
    lanes normal = (lanes)((field << (23 - mantissa_bits)) + (112 << 23));
    lanes subnormal = __builtin_convertvector(field, lanes) * (0x1p-24f * (1 << PVIT_Q4_SCALE_SHIFT));
    return choose(field >= (1 << mantissa_bits), normal, subnormal);
}

// The largest field whose scale is at most `scale`, which is not negative.
PVIT_ENCODER_INLINE int_lanes field_below(lanes scale) {
    const int mantissa_bits = 10 - PVIT_Q4_SCALE_SHIFT;
    int_lanes normal = ((int_lanes)scale - (112 << 23)) >> (23 - mantissa_bits);
    lanes units = smaller(scale * (0x1p24f / (1 << PVIT_Q4_SCALE_SHIFT)), (lanes)127.0f);
    return choose_int(normal >= (1 << mantissa_bits), normal, __builtin_convertvector(units, int_lanes));
}

typedef struct {
    int_lanes field; // without the shift bit
    int_lanes shifted; // -1 or 0
} block_choice;

typedef struct {
    block_choice best;
    lanes error;
} q4_search;

// Tries a field (bounded to those there are) with and without the shift.
PVIT_ENCODER_INLINE void try_q4_field(const nearest_table *table, const lanes x[16], const float *importance,
                                      int_lanes field, q4_search *search) {
    field = choose_int(field > 127, 127, choose_int(field < 1, 1, field));
    lanes scale = scale_of_field(field), inverse = 1.0f / scale;
    lanes error = 0, shifted_error = 0;
    PVIT_ENCODER_UNROLL
    for (int i = 0; i < 16; i++) {
        lanes quotient = x[i] * inverse, shifted_quotient = quotient - (float)PVIT_Q4_SHIFT;
        lanes difference = quotient - lookup16(table->values, nearest_index(table, quotient));
        error += (difference * difference) * importance[i];
        difference = shifted_quotient - lookup16(table->values, nearest_index(table, shifted_quotient));
        shifted_error += (difference * difference) * importance[i];
    }
    int_lanes shifted = shifted_error < error;
    error = choose(shifted, shifted_error, error) * (scale * scale);
    int_lanes better = error < search->error;
    search->error = choose(better, error, search->error);
    search->best.field = choose_int(better, field, search->best.field);
    search->best.shifted = choose_int(better, shifted, search->best.shifted);
}

PVIT_ENCODER_INLINE block_choice search_q4_block(const nearest_table *table, const lanes x[16], const float *importance) {
    lanes largest = 0, zero_error = 0; // the error of a scale of zero
    PVIT_ENCODER_UNROLL
    for (int i = 0; i < 16; i++) {
        largest = larger(magnitude(x[i]), largest);
        zero_error += (x[i] * x[i]) * importance[i];
    }
    q4_search search = {.error = zero_error};
    int_lanes first = field_below(largest * (LOWEST_FRACTION / 127));
    for (int trial = 0; trial < FIELDS_SPANNED; trial += 2) try_q4_field(table, x, importance, first + trial, &search);
    int_lanes coarse = search.best.field;
    try_q4_field(table, x, importance, coarse - 1, &search);
    try_q4_field(table, x, importance, coarse + 1, &search);
    return search.best;
}

// Encodes the block of 16 columns whose transposed weights are at `columns` for PVIT_LANES rows; `fields` and `codes`
// are those of the first row.
PVIT_ENCODER_INLINE void encode_q4_block(const nearest_table *table, const float *restrict columns,
                                         const float *restrict importance, float tile_scale, float inverse_tile_scale,
                                         uint8_t *restrict fields, uint8_t *restrict codes, row_errors *errors) {
    lanes x[16];
    PVIT_ENCODER_UNROLL
    for (int i = 0; i < 16; i++) x[i] = load_lanes(columns + i * 16) * inverse_tile_scale;
    block_choice choice = search_q4_block(table, x, importance);

    byte_lanes field = __builtin_convertvector(choice.field | (choice.shifted & 128), byte_lanes);
    memcpy(fields, &field, sizeof field);
    lanes scale = scale_of_field(choice.field), inverse = inverse_scale(scale);
    lanes shift = __builtin_convertvector(choice.shifted & PVIT_Q4_SHIFT, lanes);
    PVIT_ENCODER_UNROLL
    for (int half = 0; half < 2; half++) {
        int_lanes word = 0;
        PVIT_ENCODER_UNROLL
        for (int i = 0; i < 8; i++) {
            int_lanes index = nearest_index(table, x[half * 8 + i] * inverse - shift);
            word |= index << (i % 4 * 8 + i / 4 * 4);
            lanes value = lookup16(table->values, index) + shift;
            count_error(errors, load_lanes(columns + (half * 8 + i) * 16), (value * scale) * tile_scale);
        }
        memcpy(codes + half * 64, &word, sizeof word);
    }
}

static void encode_q4(const float *restrict w, size_t rows, size_t columns, size_t stride,
                      const float *restrict importance, float tile_scale, float *restrict scratch,
                      uint8_t *restrict group, pvit_error_sums *restrict errors) {
    nearest_table table = make_nearest_table();
    float inverse_tile_scale = tile_scale > 0 ? 1 / tile_scale : 0;
    transpose_group(w, rows, columns, stride, scratch);
    for (size_t row = 0; row < 16; row += PVIT_LANES) {
        row_errors row_errors = {0};
        for (size_t start = 0; start < columns; start += PVIT_Q4_BLOCK) {
            size_t superblock = start / PVIT_SUPERBLOCK * PVIT_SUPERBLOCK;
            uint8_t *fields = group + superblock * PVIT_Q4_COLUMN_BYTES;
            uint8_t *codes = fields + pvit_superblock_columns(columns, superblock) + (start - superblock) * 8;
            encode_q4_block(&table, scratch + start * 16 + row, importance + start, tile_scale, inverse_tile_scale,
                            fields + (start - superblock) + row, codes + row * 4, &row_errors);
        }
        add_errors(errors, row_errors);
    }
}
