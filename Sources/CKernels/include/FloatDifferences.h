// Differences of floating-point numbers from those of a base, without loss (formats/packed_delta.md). Included by
// CKernels.h. Every function is defined for every bit pattern: NaNs, infinities and subnormal numbers are patterns
// like any other.
#pragma once

#include "FloatProducts.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The number of adaptive probabilities that coding numbers of a type needs.
size_t pvit_difference_probability_count(pvit_float_type type);

// Codes target[rows, columns] as differences from base[rows, columns].
//   probabilities: scratch, pvit_difference_probability_count(type).
//   coded, raw: the two streams of formats/packed_delta.md, with room for `capacity` bytes each.
//   coded_size, raw_size: the sizes of the streams. Returns false if one of them needs more room.
bool pvit_encode_differences(pvit_float_type type, const void *restrict base, const void *restrict target, size_t rows,
                             size_t columns, uint16_t *restrict probabilities, uint8_t *restrict coded,
                             uint8_t *restrict raw, size_t capacity, size_t *restrict coded_size,
                             size_t *restrict raw_size);

// The inverse: target[rows, columns] from base and streams. Returns false unless the streams are used up exactly.
bool pvit_decode_differences(pvit_float_type type, const void *restrict base, const uint8_t *restrict coded,
                             size_t coded_size, const uint8_t *restrict raw, size_t raw_size, size_t rows,
                             size_t columns, uint16_t *restrict probabilities, void *restrict target);

// result[count] = source[count] in another type, rounded to nearest even. Numbers that are too large become infinite; a
// NaN keeps its sign and the upper bits of its payload, and becomes quiet.
void pvit_convert_floats(pvit_float_type from, const void *restrict source, pvit_float_type to, void *restrict result,
                         size_t count);

// How far numbers have moved from those of a base.
typedef struct {
    double squared_change; // sum of (target - base)^2, where both are finite
    double squared_base;   // sum of base^2, where both are finite
    uint64_t unchanged;    // numbers with the same bits
} pvit_change;

// Adds count numbers to a measurement, one after the other.
void pvit_measure_change(pvit_float_type type, const void *restrict base, const void *restrict target, size_t count,
                         pvit_change *restrict change);
