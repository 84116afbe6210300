// Where scales and codes lie in a group of 16 rows of q4 or q8 (formats/blocks.md, "Layout"), for every kernel and
// encoder.
#pragma once

#include "common/numerics.h"

// A superblock has 64 columns, the last one of a group may have 32: its scales, then its codes.
#define PVIT_SUPERBLOCK 64
// Kernels take 32 columns of a superblock together: a unit.
#define PVIT_UNIT 32

// Bytes of 16 rows of one column. A scale of q8 and a block's scale field of q4 both come to one byte a column.
#define PVIT_Q4_COLUMN_BYTES 9
#define PVIT_Q8_COLUMN_BYTES 17
// Bytes of the codes alone.
#define PVIT_Q4_CODE_BYTES 8
#define PVIT_Q8_CODE_BYTES 16
// Codes of the same columns of 16 rows fill one wide register, four bytes a row: 8 columns of q4, 4 of q8.
#define PVIT_CODE_WORD 64
#define PVIT_ROW_BYTES 4

_Static_assert(PVIT_Q4_COLUMN_BYTES == PVIT_GROUP_ROWS / PVIT_Q4_BLOCK + PVIT_Q4_CODE_BYTES, "a byte a block and row");
_Static_assert(PVIT_Q8_COLUMN_BYTES == PVIT_GROUP_ROWS * 2 / PVIT_Q8_BLOCK + PVIT_Q8_CODE_BYTES, "binary16 scales");
_Static_assert(PVIT_Q4_CODE_BYTES == PVIT_GROUP_ROWS / 2 && PVIT_Q8_CODE_BYTES == PVIT_GROUP_ROWS, "4 and 8 bits");
_Static_assert(PVIT_CODE_WORD == PVIT_GROUP_ROWS * PVIT_ROW_BYTES, "four bytes a row");
_Static_assert(PVIT_SUPERBLOCK *PVIT_Q4_COLUMN_BYTES == 576 && PVIT_UNIT * PVIT_Q4_COLUMN_BYTES == 288,
               "formats/blocks.md");
_Static_assert(PVIT_SUPERBLOCK *PVIT_Q8_COLUMN_BYTES == 1088 && PVIT_UNIT * PVIT_Q8_COLUMN_BYTES == 544,
               "formats/blocks.md");

// The columns of the superblock that begins at column `start`.
static inline size_t pvit_superblock_columns(size_t columns, size_t start) {
    return columns - start < PVIT_SUPERBLOCK ? columns - start : PVIT_SUPERBLOCK;
}

// Where the scales (q8) or scale fields (q4) and the codes of some columns begin, in bytes. Row r of the group is 2 r
// (q8) or r (q4) bytes after `scales`, and PVIT_ROW_BYTES r after `codes`. The next block's fields (q4) are 16 bytes
// on, the next columns' codes PVIT_CODE_WORD.
typedef struct {
    size_t scales, codes;
} pvit_unit;

// From the start of a superblock of `width` columns; `column` is the first one's place in it: a multiple of a block.
static inline pvit_unit pvit_q4_unit_in_superblock(size_t width, size_t column) {
    return (pvit_unit){column, width + column * PVIT_Q4_CODE_BYTES};
}
static inline pvit_unit pvit_q8_unit_in_superblock(size_t width, size_t column) {
    return (pvit_unit){column, width + column * PVIT_Q8_CODE_BYTES};
}

// From the start of a group; `column` is a multiple of a block.
static inline pvit_unit pvit_q4_unit(size_t columns, size_t column) {
    size_t start = column / PVIT_SUPERBLOCK * PVIT_SUPERBLOCK;
    pvit_unit unit = pvit_q4_unit_in_superblock(pvit_superblock_columns(columns, start), column - start);
    return (pvit_unit){start * PVIT_Q4_COLUMN_BYTES + unit.scales, start * PVIT_Q4_COLUMN_BYTES + unit.codes};
}
static inline pvit_unit pvit_q8_unit(size_t columns, size_t column) {
    size_t start = column / PVIT_SUPERBLOCK * PVIT_SUPERBLOCK;
    pvit_unit unit = pvit_q8_unit_in_superblock(pvit_superblock_columns(columns, start), column - start);
    return (pvit_unit){start * PVIT_Q8_COLUMN_BYTES + unit.scales, start * PVIT_Q8_COLUMN_BYTES + unit.codes};
}

// The scale that a field of q4 stands for, without its shift bit.
static inline float pvit_q4_scale(uint8_t field) {
    return pvit_f16_to_f32((uint16_t)((field & 127) << PVIT_Q4_SCALE_SHIFT));
}
