// Products of quantized weights with a few tokens.
#pragma once

#include "common/variants.h"

// Up to this number of tokens, weights are decoded in registers; above it, once for a block of tokens.
#define PVIT_AVX2_GEMV_TOKENS 4

// Without this, the compiler adds in another order, which needs more registers than there are.
#define KEEP_IN_ORDER(value) __asm__ volatile("" : "+x"(value)::"memory")

void pvit_avx2_gemv_q4_tokens(const uint8_t *w, size_t groups, size_t columns, float tile_scale, pvit_activations x,
                              size_t tokens, float *y, size_t stride);
void pvit_avx2_gemv_q8_tokens(const uint8_t *w, size_t groups, size_t columns, float tile_scale,
                              pvit_wide_activations x, size_t tokens, float *y, size_t stride);
