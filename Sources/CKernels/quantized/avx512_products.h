// Products of quantized weights.
#pragma once

#include "CKernels.h"

// Up to this number of tokens, weights are decoded in registers.
#define PVIT_GEMV_TOKENS 4

void pvit_avx512_gemv_q4_tokens(const uint8_t *w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                                size_t tokens, float *y, size_t stride);
void pvit_avx512_gemv_q8_tokens(const uint8_t *w, size_t groups, size_t columns, float tile_scale,
                                pvit_wide_activations x, size_t tokens, float *y, size_t stride);

void pvit_avx512_gemv_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                         pvit_wide_activations x, float *restrict y);
void pvit_avx512_gemv_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                         float *restrict y);
void pvit_avx512_gemm_q8(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale,
                         pvit_wide_activations x, size_t tokens, float *restrict y, size_t stride);
void pvit_avx512_gemm_q4(const uint8_t *restrict w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                         size_t tokens, float *restrict y, size_t stride);
