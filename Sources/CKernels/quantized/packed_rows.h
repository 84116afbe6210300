// Packed activations of instruction sets whose products with many tokens read them as those with few do: the codes of
// all tokens, their scales and their sums.
#pragma once

#include "common/numerics.h"

static inline size_t pvit_packed_row_bytes(size_t columns) {
    return columns * sizeof(int8_t) + columns / 32 * sizeof(float) + columns / 16 * sizeof(int32_t);
}

static inline pvit_activations pvit_packed_rows(const void *packed, size_t columns, size_t tokens) {
    const int8_t *codes = packed;
    const float *scales = (const float *)(codes + tokens * columns);
    return (pvit_activations){codes, scales, (const int32_t *)(scales + tokens * (columns / 32))};
}

static inline void pvit_pack_row(pvit_activations x, size_t start, size_t count, size_t columns, size_t token,
                                 size_t tokens, void *packed) {
    pvit_activations row = pvit_activations_from(pvit_packed_rows(packed, columns, tokens), columns, token);
    memcpy((int8_t *)row.codes + start, x.codes, count * sizeof(int8_t));
    memcpy((float *)row.scales + start / 32, x.scales, count / 32 * sizeof(float));
    memcpy((int32_t *)row.sums + start / 16, x.sums, count / 16 * sizeof(int32_t));
}

static inline size_t pvit_packed_wide_row_bytes(size_t columns) {
    return columns * sizeof(int16_t) + columns / 32 * sizeof(float) + columns / 32 * sizeof(int32_t);
}

static inline pvit_wide_activations pvit_packed_wide_rows(const void *packed, size_t columns, size_t tokens) {
    const int16_t *codes = packed;
    const float *scales = (const float *)(codes + tokens * columns);
    return (pvit_wide_activations){codes, scales, (const int32_t *)(scales + tokens * (columns / 32))};
}

static inline void pvit_pack_wide_row(pvit_wide_activations x, size_t start, size_t count, size_t columns, size_t token,
                                      size_t tokens, void *packed) {
    pvit_wide_activations row =
        pvit_wide_activations_from(pvit_packed_wide_rows(packed, columns, tokens), columns, token);
    memcpy((int16_t *)row.codes + start, x.codes, count * sizeof(int16_t));
    memcpy((float *)row.scales + start / 32, x.scales, count / 32 * sizeof(float));
    memcpy((int32_t *)row.sums + start / 32, x.sums, count / 32 * sizeof(int32_t));
}
