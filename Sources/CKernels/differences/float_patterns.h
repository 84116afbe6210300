// Bit patterns of floating-point numbers of any of the three types.
#pragma once

#include "FloatDifferences.h"
#include <string.h>

static inline size_t float_size(pvit_float_type type) { return type == PVIT_FLOAT_F32 ? 4 : 2; }

static inline uint32_t load_pattern(pvit_float_type type, const void *numbers, size_t index) {
    if (type == PVIT_FLOAT_F32) {
        uint32_t pattern;
        memcpy(&pattern, (const uint8_t *)numbers + 4 * index, 4);
        return pattern;
    }
    uint16_t pattern;
    memcpy(&pattern, (const uint8_t *)numbers + 2 * index, 2);
    return pattern;
}

static inline void store_pattern(pvit_float_type type, void *numbers, size_t index, uint32_t pattern) {
    if (type == PVIT_FLOAT_F32) {
        memcpy((uint8_t *)numbers + 4 * index, &pattern, 4);
    } else {
        uint16_t half = (uint16_t)pattern;
        memcpy((uint8_t *)numbers + 2 * index, &half, 2);
    }
}
