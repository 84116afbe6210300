// The scalar twins, which define the result of every kernel. CKernels.h documents the functions.
#pragma once

#include "CKernels.h"

void pvit_scalar_f16_to_f32(const uint16_t *restrict source, float *restrict result, size_t count);
void pvit_scalar_bf16_to_f32(const uint16_t *restrict source, float *restrict result, size_t count);
void pvit_scalar_f32_to_f16(const float *restrict source, uint16_t *restrict result, size_t count);
void pvit_scalar_f32_to_bf16(const float *restrict source, uint16_t *restrict result, size_t count);
bool pvit_scalar_add_f16(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count);
bool pvit_scalar_add_bf16(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count);
bool pvit_scalar_subtract_f16(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count);
bool pvit_scalar_subtract_bf16(const uint16_t *a, const uint16_t *b, uint16_t *result, size_t count);

void pvit_scalar_quantize_activations(const float *restrict x, size_t columns, int8_t *restrict codes,
                                      float *restrict scales, int32_t *restrict sums);
void pvit_scalar_quantize_wide_activations(const float *restrict x, size_t columns, int16_t *restrict codes,
                                           float *restrict scales, int32_t *restrict sums);
void pvit_scalar_gemv_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                         pvit_wide_activations x, float *restrict y);
void pvit_scalar_gemv_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                         float *restrict y);
void pvit_scalar_gemm_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                         pvit_wide_activations x, size_t tokens, float *restrict y, size_t stride);
void pvit_scalar_gemm_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                         size_t tokens, float *restrict y, size_t stride);
void pvit_scalar_row_q8(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale,
                        float *restrict result);
void pvit_scalar_row_q4(const uint8_t *restrict group, size_t row, size_t columns, float tile_scale,
                        float *restrict result);

void pvit_scalar_gemv_f32(const float *restrict w, size_t rows, size_t columns, const float *restrict x,
                          float *restrict y);
void pvit_scalar_gemv_f16(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x,
                          float *restrict y);
void pvit_scalar_gemv_bf16(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x,
                           float *restrict y);
void pvit_scalar_gemm_f32(const float *restrict w, size_t rows, size_t columns, const float *restrict x,
                          size_t x_stride, size_t tokens, float *restrict y, size_t y_stride);
void pvit_scalar_gemm_f16(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x,
                          size_t x_stride, size_t tokens, float *restrict y, size_t y_stride);
void pvit_scalar_gemm_bf16(const uint16_t *restrict w, size_t rows, size_t columns, const float *restrict x,
                           size_t x_stride, size_t tokens, float *restrict y, size_t y_stride);

void pvit_scalar_rms_norm(const float *x, const float *weight, size_t count, float epsilon, float *result);
void pvit_scalar_rope(float *x, size_t heads, size_t width, const float *cosines, const float *sines);
void pvit_scalar_swiglu(const float *gate, const float *up, size_t count, float *result);
void pvit_scalar_add(float *restrict x, const float *restrict y, size_t count);

void pvit_scalar_store_key(const float *restrict x, size_t width, pvit_kv_type type, void *restrict keys,
                           size_t position);
void pvit_scalar_store_value(const float *restrict x, size_t width, pvit_kv_type type, void *restrict values,
                             size_t position);
void pvit_scalar_attend(const float *restrict query, size_t tokens, size_t heads, size_t stride,
                        const void *restrict keys, const void *restrict values, pvit_kv_type type, size_t width,
                        size_t positions, float scale, float *restrict scratch, float *restrict result);

uint64_t pvit_scalar_read_probe(const void *bytes, size_t count);
uint64_t pvit_scalar_dot_probe(size_t iterations, uint32_t *checksum);
