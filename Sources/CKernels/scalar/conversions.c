#include "numerics.h"
#include "scalar.h"

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

void pvit_scalar_add_f16(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count) {
    for (size_t i = 0; i < count; i++) result[i] = pvit_f32_to_f16(pvit_f16_to_f32(a[i]) + pvit_f16_to_f32(b[i]));
}

void pvit_scalar_add_bf16(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count) {
    for (size_t i = 0; i < count; i++) result[i] = pvit_f32_to_bf16(pvit_bf16_to_f32(a[i]) + pvit_bf16_to_f32(b[i]));
}

void pvit_scalar_subtract_f16(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count) {
    for (size_t i = 0; i < count; i++) result[i] = pvit_f32_to_f16(pvit_f16_to_f32(a[i]) - pvit_f16_to_f32(b[i]));
}

void pvit_scalar_subtract_bf16(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count) {
    for (size_t i = 0; i < count; i++) result[i] = pvit_f32_to_bf16(pvit_bf16_to_f32(a[i]) - pvit_bf16_to_f32(b[i]));
}
