// The q4 encoder: searches, for every block of 16 columns, the scale field with the least weighted squared error, with
// and without the codebook's shift.
//
// The search tries a few scales. Each assigns codebook values to the weights, and a least-squares fit gives the best
// scale for that assignment. Therefore scales far apart are enough.
//
// Included once for each instruction set, after `lookup32` and `lookup16`.
#pragma once

#include "encoding/group.h"

// Every FIELD_STEP-th field is tried from the one at or below this fraction of (largest magnitude / largest codebook
// value) upwards, up to about 1.2 times that quotient; least squares finds others from there.
#define LOWEST_FRACTION 0.8f
#define FIELD_STEP 2
#define FIELDS_TRIED 6

#define CELL_BIAS 100663296.0f // 1.5 * 2^26

// Finding the nearest codebook value. Values from -128 to 120 lie in 32 cells of width 8, the first one around -128,
// and no cell holds more than one of the 15 boundaries between neighbouring values. `boundaries[cell]` is that boundary
// (or a number above all values), with the index of the value below it in the low four bits of the pattern: too small a
// change to matter. Numbers above the last cell are nearest to the last value, as are all numbers in that cell.
//
// `lower[index]` is the boundary below a value.
typedef struct {
    float boundaries[32];
    float values[16];
    float lower[16];
} nearest_table;

// The table of the codebook with `shift` added to every value.
PVIT_ENCODER_INLINE nearest_table make_nearest_table(int shift) {
    nearest_table table;
    table.lower[0] = -INFINITY;
    int below = 0;
    for (int i = 0; i < 16; i++) table.values[i] = (float)(pvit_q4_codebook[i] + shift);
    for (int cell = -16; cell < 16; cell++) {
        float end = (float)(cell * 8 + 4), boundary = 1024;
        int index = below;
        if (below < 15 && (table.values[below] + table.values[below + 1]) / 2 < end) {
            boundary = (table.values[below] + table.values[below + 1]) / 2;
            below++;
        }
        boundary = pvit_bits_float((pvit_float_bits(boundary) & ~15u) | (uint32_t)index);
        table.boundaries[cell & 31] = boundary;
        if (below > index) table.lower[below] = boundary;
    }
    return table;
}

// The cell of a number of less than 2^25, in the low five bits: what is added leaves multiples of 8 in a float.
PVIT_ENCODER_INLINE int_lanes cell_of(lanes x) {
    const int_lanes first = (int_lanes)((lanes)CELL_BIAS - 128.0f), last = (int_lanes)((lanes)CELL_BIAS + 120.0f);
    int_lanes cell = (int_lanes)(x + CELL_BIAS);
    cell = choose_int(cell > first, cell, first);
    return choose_int(cell < last, cell, last);
}

// The index of the value nearest to x, which is in `cell`.
PVIT_ENCODER_INLINE int_lanes nearest_index(const nearest_table *table, lanes x, int_lanes cell) {
    lanes boundary = lookup32(table->boundaries, cell);
    return ((int_lanes)boundary & 15) - (x > boundary); // a comparison that holds is -1
}

// The index of the shifted value nearest to x. It is `index`, that of the nearest value without shift, or the one
// before: boundaries are further apart than the shift moves them.
PVIT_ENCODER_INLINE int_lanes nearest_shifted_index(const nearest_table *shifted, lanes x, int_lanes index) {
    return index - 1 - (x > lookup16(shifted->lower, index));
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
    int_lanes field;   // without the shift bit
    int_lanes shifted; // -1 or 0
} block_choice;

// The field whose scale is nearest to `scale`, which is not negative.
PVIT_ENCODER_INLINE int_lanes field_nearest(lanes scale) {
    int_lanes below = field_below(scale);
    int_lanes rounds_up = scale + scale > scale_of_field(below) + scale_of_field(below + 1);
    int_lanes field = below - rounds_up;
    return choose_int(field > 127, 127, field);
}

// The best that was found for a block.
typedef struct {
    block_choice best;
    lanes gain; // the weighted squared error of a scale of zero minus that of this one
} q4_search;

// Sums over the columns of a block: of weight * value * x and of weight * value * value.
typedef struct {
    lanes product, square;
} q4_fit;

PVIT_ENCODER_INLINE void add_to_fit(q4_fit *fit, lanes x, lanes value, float importance) {
    lanes weighted = value * importance;
    fit->product += weighted * x;
    fit->square += weighted * value;
}

// The error is that of the stored field, not of the best-fitting scale. The difference matters if one column has a much
// larger weight than all others.
PVIT_ENCODER_INLINE void take_if_better(q4_search *search, q4_fit fit, int shifted) {
    int_lanes field = field_nearest(larger(fit.product / fit.square, (lanes)0.0f));
    lanes scale = scale_of_field(field);
    lanes gain = scale * ((fit.product + fit.product) - scale * fit.square);
    int_lanes better = gain > search->gain;
    search->gain = choose(better, gain, search->gain);
    search->best.field = choose_int(better, field, search->best.field);
    search->best.shifted = choose_int(better, shifted, search->best.shifted);
}

PVIT_ENCODER_INLINE block_choice search_q4_block(const nearest_table tables[2], const lanes x[16],
                                                 const float *importance) {
    lanes largest = 0;
    PVIT_ENCODER_UNROLL
    for (int i = 0; i < 16; i++) largest = larger(magnitude(x[i]), largest);
    int_lanes first = field_below(largest * (LOWEST_FRACTION / 127));
    q4_search search = {0};
    for (int trial = 0; trial < FIELDS_TRIED; trial++) {
        int_lanes field = first + trial * FIELD_STEP;
        lanes inverse = 1.0f / scale_of_field(choose_int(field > 127, 127, choose_int(field < 1, 1, field)));
        q4_fit fits[2] = {0};
        PVIT_ENCODER_UNROLL
        for (int i = 0; i < 16; i++) {
            lanes quotient = x[i] * inverse;
            int_lanes index = nearest_index(&tables[0], quotient, cell_of(quotient));
            int_lanes shifted = nearest_shifted_index(&tables[1], quotient, index);
            add_to_fit(&fits[0], x[i], lookup16(tables[0].values, index), importance[i]);
            add_to_fit(&fits[1], x[i], lookup16(tables[1].values, shifted), importance[i]);
        }
        take_if_better(&search, fits[0], 0);
        take_if_better(&search, fits[1], -1);
    }
    return search.best;
}

// Encodes the block of 16 columns whose transposed weights are at `columns` for PVIT_LANES rows; `fields` and `codes`
// are those of the first row.
PVIT_ENCODER_INLINE void encode_q4_block(const nearest_table tables[2], const float *restrict columns,
                                         const float *restrict importance, float tile_scale, float inverse_tile_scale,
                                         uint8_t *restrict fields, uint8_t *restrict codes, row_errors *errors) {
    lanes x[16];
    PVIT_ENCODER_UNROLL
    for (int i = 0; i < 16; i++) x[i] = load_lanes(columns + i * 16) * inverse_tile_scale;
    block_choice choice = search_q4_block(tables, x, importance);

    byte_lanes field = __builtin_convertvector(choice.field | (choice.shifted & 128), byte_lanes);
    memcpy(fields, &field, sizeof field);
    lanes scale = scale_of_field(choice.field), inverse = inverse_scale(scale);
    lanes shift = __builtin_convertvector(choice.shifted & PVIT_Q4_SHIFT, lanes);
    PVIT_ENCODER_UNROLL
    for (int half = 0; half < 2; half++) {
        int_lanes word = 0;
        PVIT_ENCODER_UNROLL
        for (int i = 0; i < 8; i++) {
            lanes quotient = x[half * 8 + i] * inverse - shift;
            int_lanes index = nearest_index(&tables[0], quotient, cell_of(quotient));
            word |= index << (i % 4 * 8 + i / 4 * 4);
            lanes value = lookup16(tables[0].values, index) + shift;
            count_error(errors, load_lanes(columns + (half * 8 + i) * 16), (value * scale) * tile_scale);
        }
        memcpy(codes + half * 64, &word, sizeof word);
    }
}

void PVIT_VARIANT(encode_q4)(const float *restrict w, size_t rows, size_t columns, size_t stride,
                             const float *restrict importance, float tile_scale, float *restrict scratch,
                             uint8_t *restrict group, pvit_error_sums *restrict errors) {
    const nearest_table tables[2] = {make_nearest_table(0), make_nearest_table(PVIT_Q4_SHIFT)};
    float inverse_tile_scale = tile_scale > 0 ? 1 / tile_scale : 0;
    transpose_group(w, rows, columns, stride, scratch);
    for (size_t row = 0; row < 16; row += PVIT_LANES) {
        row_errors row_errors = {0};
        for (size_t start = 0; start < columns; start += PVIT_Q4_BLOCK) {
            pvit_unit unit = pvit_q4_unit(columns, start);
            encode_q4_block(tables, scratch + start * 16 + row, importance + start, tile_scale, inverse_tile_scale,
                            group + unit.scales + row, group + unit.codes + row * PVIT_ROW_BYTES, &row_errors);
        }
        add_errors(errors, row_errors);
    }
}
