// Conversions between float types that are defined for every pattern, and the size of a change.
#include "float_patterns.h"
#include <math.h>

// The exact value of a number as a binary32 pattern. A NaN keeps its payload in the upper bits.
static uint32_t widened(pvit_float_type type, uint32_t pattern) {
    if (type == PVIT_FLOAT_F32) return pattern;
    if (type == PVIT_FLOAT_BF16) return pattern << 16;
    uint32_t sign = (pattern & 0x8000u) << 16;
    uint32_t exponent = (pattern >> 10) & 31;
    uint32_t fraction = pattern & 0x3FFu;
    if (exponent == 31) return sign | 0x7F800000u | fraction << 13;
    if (exponent > 0) return sign | (exponent + 112) << 23 | fraction << 13;
    if (fraction == 0) return sign;
    int shift = __builtin_clz(fraction) - 21; // to the bit of a normal number
    return sign | (uint32_t)(113 - shift) << 23 | ((fraction << shift) & 0x3FFu) << 13;
}

// Shifts right, rounding to nearest even. 0 < shift < 32.
static uint32_t rounded(uint32_t value, int shift) {
    uint32_t half = (uint32_t)1 << (shift - 1);
    uint32_t rest = value & (half * 2 - 1);
    value >>= shift;
    return value + (rest > half || (rest == half && (value & 1)));
}

static uint32_t narrowed(uint32_t pattern, pvit_float_type type) {
    if (type == PVIT_FLOAT_F32) return pattern;
    uint32_t sign = pattern >> 16 & 0x8000u;
    uint32_t magnitude = pattern & 0x7FFFFFFFu;
    bool is_nan = magnitude > 0x7F800000u;
    if (type == PVIT_FLOAT_BF16) return sign | (is_nan ? magnitude >> 16 | 0x40u : rounded(magnitude, 16));
    if (is_nan) return sign | 0x7E00u | (magnitude >> 13 & 0x3FFu);
    if (magnitude >= 0x477FF000u) return sign | 0x7C00u; // rounds to 65520 or more
    if (magnitude >= 0x38800000u) return sign | (rounded(magnitude, 13) - (112u << 10));
    if (magnitude < 0x33000000u) return sign; // rounds to less than half of the smallest number
    int shift = 126 - (int)(magnitude >> 23);
    return sign | rounded((magnitude & 0x7FFFFFu) | 0x800000u, shift);
}

void pvit_convert_floats(pvit_float_type from, const void *restrict source, pvit_float_type to, void *restrict result,
                         size_t count) {
    for (size_t i = 0; i < count; i++) {
        store_pattern(to, result, i, narrowed(widened(from, load_pattern(from, source, i)), to));
    }
}

static inline float value_of(pvit_float_type type, uint32_t pattern) {
    uint32_t wide = widened(type, pattern);
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

void pvit_measure_change(pvit_float_type type, const void *restrict base, const void *restrict target, size_t count,
                         pvit_change *restrict change) {
    for (size_t i = 0; i < count; i++) {
        uint32_t from = load_pattern(type, base, i);
        uint32_t to = load_pattern(type, target, i);
        double before = value_of(type, from);
        double after = value_of(type, to);
        change->unchanged += from == to;
        if (!isfinite(before) || !isfinite(after)) continue;
        change->squared_change += (after - before) * (after - before);
        change->squared_base += before * before;
    }
}
