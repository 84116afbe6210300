// What the products of VNNI share, whatever the width of a register. Included after the lanes of an instruction set.
#pragma once

#include "common/variants.h"

#define GROUP_REGISTERS (16 / ROW_LANES) // that hold a number of each row of a group
#define REGISTER_BYTES (ROW_LANES * PVIT_ROW_BYTES)

// Four consecutive activations in every lane.
PVIT_INLINE row_ints four_codes(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, sizeof four);
    return equal_ints(four);
}

// Where a dot product with weights in excess 128 starts: minus 128 times the sum of the activations, plus the bias that
// makes the integer a float.
PVIT_INLINE int32_t biased_start(int32_t sum) { return PVIT_INTEGER_BIAS_BITS - 128 * sum; }
