// Packs one number at a time: the scalar kernel, and the remainders of the others.
#pragma once

#include "common/numerics.h"

static inline float pvit_number_at(const void *w, pvit_float_type type, size_t index) {
    switch (type) {
    case PVIT_FLOAT_F32: return ((const float *)w)[index];
    case PVIT_FLOAT_F16: return pvit_f16_to_f32(((const uint16_t *)w)[index]);
    case PVIT_FLOAT_BF16: return pvit_bf16_to_f32(((const uint16_t *)w)[index]);
    }
    return 0;
}

static inline void pvit_pack_numbers(const void *restrict w, pvit_float_type type, size_t rows, size_t columns,
                                     size_t stride, size_t kernel_area, size_t first_lane, float *restrict group) {
    size_t channels = columns / kernel_area;
    for (size_t row = 0; row < rows; row++)
        for (size_t column = 0; column < columns; column++)
            group[(column % kernel_area * channels + column / kernel_area) * 16 + first_lane + row] =
                pvit_number_at(w, type, row * stride + column);
}
