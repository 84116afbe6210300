#include "common/numerics.h"
#include "common/variants.h"

void pvit_scalar_f16_to_f32(const uint16_t *restrict source, float *restrict result, size_t count) {
    for (size_t i = 0; i < count; i++) result[i] = pvit_f16_to_f32(source[i]);
}

void pvit_scalar_bf16_to_f32(const uint16_t *restrict source, float *restrict result, size_t count) {
    for (size_t i = 0; i < count; i++) result[i] = pvit_bf16_to_f32(source[i]);
}

void pvit_scalar_f32_to_f16(const float *restrict source, uint16_t *restrict result, size_t count) {
    for (size_t i = 0; i < count; i++) result[i] = pvit_f32_to_f16(source[i]);
}

void pvit_scalar_f32_to_bf16(const float *restrict source, uint16_t *restrict result, size_t count) {
    for (size_t i = 0; i < count; i++) result[i] = pvit_f32_to_bf16(source[i]);
}

// The exponent's bits of a number that is infinite or not a number.
#define F16_EXPONENT 0x7C00
#define BF16_EXPONENT 0x7F80

#define COMBINE(name, operator, from, to, exponent)                                                                    \
    bool name(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count) {                                  \
        bool finite = true;                                                                                            \
        for (size_t i = 0; i < count; i++) {                                                                           \
            result[i] = to(from(a[i]) operator from(b[i]));                                                            \
            finite = finite && (result[i] & exponent) != exponent;                                                     \
        }                                                                                                              \
        return finite;                                                                                                 \
    }

COMBINE(pvit_scalar_add_f16, +, pvit_f16_to_f32, pvit_f32_to_f16, F16_EXPONENT)
COMBINE(pvit_scalar_add_bf16, +, pvit_bf16_to_f32, pvit_f32_to_bf16, BF16_EXPONENT)
COMBINE(pvit_scalar_subtract_f16, -, pvit_f16_to_f32, pvit_f32_to_f16, F16_EXPONENT)
COMBINE(pvit_scalar_subtract_bf16, -, pvit_bf16_to_f32, pvit_f32_to_bf16, BF16_EXPONENT)
