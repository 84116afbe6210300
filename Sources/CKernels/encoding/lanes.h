// A lane is a row of the group, so every sum over columns is vertical. Nothing is fused or reordered, so results do not
// depend on the number of lanes (PVIT_LANES, as many as fit a register).
#pragma once

#include "block_layout.h"

// Everything here is inlined, so vectors are never passed between functions.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float lanes __attribute__((ext_vector_type(PVIT_LANES)));
typedef int32_t int_lanes __attribute__((ext_vector_type(PVIT_LANES)));
typedef uint8_t byte_lanes __attribute__((ext_vector_type(PVIT_LANES)));
typedef uint16_t short_lanes __attribute__((ext_vector_type(PVIT_LANES)));
typedef double double_lanes __attribute__((ext_vector_type(PVIT_LANES)));

#define PVIT_ENCODER_INLINE static inline __attribute__((always_inline))
#define PVIT_ENCODER_UNROLL _Pragma("clang loop unroll(full)")

// `yes` where `mask`, the result of a comparison, is true; `no` elsewhere.
PVIT_ENCODER_INLINE lanes choose(int_lanes mask, lanes yes, lanes no) {
    return (lanes)((mask & (int_lanes)yes) | (~mask & (int_lanes)no));
}
PVIT_ENCODER_INLINE int_lanes choose_int(int_lanes mask, int_lanes yes, int_lanes no) {
    return (mask & yes) | (~mask & no);
}
PVIT_ENCODER_INLINE lanes magnitude(lanes x) { return (lanes)((int_lanes)x & 0x7FFFFFFF); }
PVIT_ENCODER_INLINE lanes larger(lanes a, lanes b) { return choose(a > b, a, b); }
PVIT_ENCODER_INLINE lanes smaller(lanes a, lanes b) { return choose(a < b, a, b); }
// Rounds |x| < 2^22 to integers, ties to even.
PVIT_ENCODER_INLINE lanes nearest_integer(lanes x) { return (x + PVIT_INTEGER_BIAS) - PVIT_INTEGER_BIAS; }

PVIT_ENCODER_INLINE lanes load_lanes(const float *source) {
    lanes result;
    memcpy(&result, source, sizeof result);
    return result;
}
