// Encoders that make up for the rounding error of each column in the columns that follow it: GPTQ (arXiv 2210.17323) in
// the form that QuIP calls LDLQ (arXiv 2307.13304, section 3.1).
//
// Included after q4.h and q8.h, whose searches choose the scale of a block from its corrected targets.
#pragma once

#include "encoding/q4.h"
#include "encoding/q8.h"

// The numbers of a chunk, transposed: [column in order][16 rows].
typedef struct {
    float targets[PVIT_FEEDBACK_COLUMNS * 16];
    float weights[PVIT_FEEDBACK_COLUMNS * 16];
    float corrected[PVIT_FEEDBACK_COLUMNS * 16]; // with the corrections for all columns that were encoded so far
    float errors[PVIT_FEEDBACK_COLUMNS * 16];    // target - decoded
} feedback_numbers;

// transposed[column][16 rows] = w[row, column] for 16 columns; rows from `rows` on are zero.
PVIT_ENCODER_INLINE void transpose_block(const float *w, size_t rows, size_t stride, float *transposed) {
    transpose_group(w, rows, 16, stride, transposed);
}

// w[row, column] = transposed[column][row] for 16 columns.
PVIT_ENCODER_INLINE void store_block(const float *transposed, size_t rows, size_t stride, float *w) {
    group_row square[16];
    memcpy(square, transposed, sizeof square);
    transpose_square(square);
    for (size_t row = 0; row < rows; row++) memcpy(w + row * stride, &square[row], sizeof square[row]);
}

PVIT_ENCODER_INLINE void load_feedback_numbers(const pvit_feedback_chunk *chunk, size_t width,
                                               feedback_numbers *numbers) {
    for (size_t block = 0; block < chunk->block_count; block++) {
        for (size_t part = 0; part < width; part += 16) {
            size_t source = chunk->blocks[block] + part, ordered = block * width + part;
            transpose_block(chunk->targets + source, chunk->rows, chunk->stride, numbers->targets + ordered * 16);
            transpose_block(chunk->weights + source, chunk->rows, chunk->stride, numbers->weights + ordered * 16);
            transpose_block(chunk->errors + ordered, chunk->rows, chunk->error_stride,
                            numbers->corrected + ordered * 16);
        }
    }
    size_t count = chunk->block_count * width * 16;
    for (size_t i = 0; i < count; i += PVIT_LANES) {
        lanes sum = load_lanes(numbers->targets + i) + load_lanes(numbers->corrected + i);
        memcpy(numbers->corrected + i, &sum, sizeof sum);
    }
}

// Notes what became of column `column` for PVIT_LANES rows from `row` on, and corrects the columns that follow.
PVIT_ENCODER_INLINE void pass_on(const pvit_feedback_chunk *chunk, size_t width, size_t column, size_t row,
                                 lanes decoded, feedback_numbers *numbers, row_errors *errors) {
    lanes error = load_lanes(numbers->targets + column * 16 + row) - decoded;
    memcpy(numbers->errors + column * 16 + row, &error, sizeof error);
    count_error(errors, load_lanes(numbers->weights + column * 16 + row), decoded);
    const float *coefficients = chunk->feedback + column * chunk->feedback_stride;
    for (size_t later = column + 1; later < chunk->block_count * width; later++) {
        lanes sum = load_lanes(numbers->corrected + later * 16 + row) + error * coefficients[later];
        memcpy(numbers->corrected + later * 16 + row, &sum, sizeof sum);
    }
}

PVIT_ENCODER_INLINE void encode_q4_with_feedback(const nearest_table tables[2], const pvit_feedback_chunk *chunk,
                                                 size_t block, size_t row, float tile_scale, float inverse_tile_scale,
                                                 uint8_t *group, feedback_numbers *numbers, row_errors *errors) {
    size_t first = block * PVIT_Q4_BLOCK;
    lanes x[16];
    PVIT_ENCODER_UNROLL
    for (size_t i = 0; i < 16; i++) x[i] = load_lanes(numbers->corrected + (first + i) * 16 + row) * inverse_tile_scale;
    block_choice choice = search_q4_block(tables, x, chunk->importance + first);

    pvit_unit unit = pvit_q4_unit(chunk->columns, chunk->blocks[block]);
    byte_lanes field = __builtin_convertvector(choice.field | (choice.shifted & 128), byte_lanes);
    memcpy(group + unit.scales + row, &field, sizeof field);
    lanes scale = scale_of_field(choice.field), inverse = inverse_scale(scale);
    lanes shift = __builtin_convertvector(choice.shifted & PVIT_Q4_SHIFT, lanes);
    for (size_t half = 0; half < 2; half++) {
        int_lanes word = 0;
        for (size_t i = 0; i < 8; i++) {
            size_t column = first + half * 8 + i;
            lanes quotient = load_lanes(numbers->corrected + column * 16 + row) * inverse_tile_scale * inverse - shift;
            int_lanes index = nearest_index(&tables[0], quotient, cell_of(quotient));
            word |= index << (int)(i % 4 * 8 + i / 4 * 4);
            lanes value = lookup16(tables[0].values, index) + shift;
            pass_on(chunk, PVIT_Q4_BLOCK, column, row, (value * scale) * tile_scale, numbers, errors);
        }
        memcpy(group + unit.codes + half * PVIT_CODE_WORD + row * PVIT_ROW_BYTES, &word, sizeof word);
    }
}

PVIT_ENCODER_INLINE void encode_q8_with_feedback(const pvit_feedback_chunk *chunk, size_t block, size_t row,
                                                 float tile_scale, float inverse_tile_scale, uint8_t *group,
                                                 feedback_numbers *numbers, row_errors *errors) {
    size_t first = block * PVIT_Q8_BLOCK;
    int_lanes bits =
        search_q8_block(numbers->corrected + first * 16 + row, inverse_tile_scale, chunk->importance + first);
    pvit_unit unit = pvit_q8_unit(chunk->columns, chunk->blocks[block]);
    short_lanes patterns = __builtin_convertvector(bits, short_lanes);
    memcpy(group + unit.scales + row * 2, &patterns, sizeof patterns);
    lanes scale = half_value(bits), inverse = inverse_scale(scale);
    for (size_t i = 0; i < PVIT_Q8_BLOCK; i += 4) {
        int_lanes word = 0;
        for (size_t k = 0; k < 4; k++) {
            size_t column = first + i + k;
            lanes value = q8_value(load_lanes(numbers->corrected + column * 16 + row) * inverse_tile_scale, inverse);
            word |= __builtin_convertvector(value + 128.0f, int_lanes) << (int)(k * 8);
            pass_on(chunk, PVIT_Q8_BLOCK, column, row, (value * scale) * tile_scale, numbers, errors);
        }
        memcpy(group + unit.codes + i / 4 * PVIT_CODE_WORD + row * PVIT_ROW_BYTES, &word, sizeof word);
    }
}

PVIT_ENCODER_INLINE void store_errors(const pvit_feedback_chunk *chunk, size_t width, const feedback_numbers *numbers) {
    for (size_t column = 0; column < chunk->block_count * width; column += 16)
        store_block(numbers->errors + column * 16, chunk->rows, chunk->error_stride, chunk->errors + column);
}

void PVIT_VARIANT(encode_q4_chunk)(const pvit_feedback_chunk *chunk, float tile_scale, uint8_t *restrict group,
                                   pvit_error_sums *restrict errors) {
    const nearest_table tables[2] = {make_nearest_table(0), make_nearest_table(PVIT_Q4_SHIFT)};
    float inverse_tile_scale = tile_scale > 0 ? 1 / tile_scale : 0;
    feedback_numbers numbers;
    load_feedback_numbers(chunk, PVIT_Q4_BLOCK, &numbers);
    for (size_t row = 0; row < 16; row += PVIT_LANES) {
        row_errors row_errors = {0};
        for (size_t block = 0; block < chunk->block_count; block++)
            encode_q4_with_feedback(tables, chunk, block, row, tile_scale, inverse_tile_scale, group, &numbers,
                                    &row_errors);
        add_errors(errors, row_errors);
    }
    store_errors(chunk, PVIT_Q4_BLOCK, &numbers);
}

void PVIT_VARIANT(encode_q8_chunk)(const pvit_feedback_chunk *chunk, float tile_scale, uint8_t *restrict group,
                                   pvit_error_sums *restrict errors) {
    float inverse_tile_scale = tile_scale > 0 ? 1 / tile_scale : 0;
    feedback_numbers numbers;
    load_feedback_numbers(chunk, PVIT_Q8_BLOCK, &numbers);
    for (size_t row = 0; row < 16; row += PVIT_LANES) {
        row_errors row_errors = {0};
        for (size_t block = 0; block < chunk->block_count; block++)
            encode_q8_with_feedback(chunk, block, row, tile_scale, inverse_tile_scale, group, &numbers, &row_errors);
        add_errors(errors, row_errors);
    }
    store_errors(chunk, PVIT_Q8_BLOCK, &numbers);
}
