// The tables of kernels that this processor architecture has, one for each instruction set, and the kernels that they
// list.
#pragma once

#include "CKernels.h"

extern const pvit_kernels pvit_scalar_kernels;
#if defined(__x86_64__)
extern const pvit_kernels pvit_avx2_kernels;
extern const pvit_kernels pvit_avx_vnni_kernels;
extern const pvit_kernels pvit_avx512_kernels;
#elif defined(__aarch64__)
extern const pvit_kernels pvit_neon_kernels;
extern const pvit_kernels pvit_neon_dot_kernels;
#endif

// The members of a table by where instruction sets define them; X takes a member.
// In the body that is compiled once for each instruction set (common/):
#define PVIT_BODY_KERNELS(X)                                                                                           \
    X(f16_to_f32)                                                                                                      \
    X(bf16_to_f32)                                                                                                     \
    X(f32_to_f16)                                                                                                      \
    X(f32_to_bf16)                                                                                                     \
    X(add_f16)                                                                                                         \
    X(add_bf16)                                                                                                        \
    X(subtract_f16)                                                                                                    \
    X(subtract_bf16)                                                                                                   \
    X(quantize_activations)                                                                                            \
    X(quantize_wide_activations)                                                                                       \
    X(byte_limit)                                                                                                      \
    X(row_q8)                                                                                                          \
    X(row_q4)                                                                                                          \
    X(gemv_f32)                                                                                                        \
    X(gemv_f16)                                                                                                        \
    X(gemv_bf16)                                                                                                       \
    X(gemm_f32)                                                                                                        \
    X(gemm_f16)                                                                                                        \
    X(gemm_bf16)                                                                                                       \
    X(rms_norm)                                                                                                        \
    X(rope)                                                                                                            \
    X(swiglu)                                                                                                          \
    X(add)                                                                                                             \
    X(store_key)                                                                                                       \
    X(store_value)                                                                                                     \
    X(attend)                                                                                                          \
    X(read_probe)                                                                                                      \
    X(dot_probe)
// In quantized/:
#define PVIT_QUANTIZED_PRODUCTS(X)                                                                                     \
    X(gemv_q8)                                                                                                         \
    X(gemv_q4)                                                                                                         \
    X(pack_activations)                                                                                                \
    X(pack_wide_activations)                                                                                           \
    X(packed_activation_bytes)                                                                                         \
    X(packed_wide_activation_bytes)                                                                                    \
    X(gemm_q8)                                                                                                         \
    X(gemm_q4)
// In float/panels.h:
#define PVIT_PANEL_KERNELS(X)                                                                                          \
    X(pack_rows) X(multiply_panel) X(finish) X(layer_norm) X(softmax) X(weighted_sum) X(fma_probe)
// In encoding/:
#define PVIT_ENCODERS(X) X(scan_rows) X(encode_q4) X(encode_q8) X(encode_q4_chunk) X(encode_q8_chunk) X(project_rows)

// Declares the function that an instruction set's table has for a member.
#define PVIT_DECLARE(isa, member) __typeof__(*((const pvit_kernels *)0)->member) pvit_##isa##_##member;

#define PVIT_SCALAR(member) PVIT_DECLARE(scalar, member)
PVIT_BODY_KERNELS(PVIT_SCALAR)
PVIT_QUANTIZED_PRODUCTS(PVIT_SCALAR)
PVIT_PANEL_KERNELS(PVIT_SCALAR)
PVIT_ENCODERS(PVIT_SCALAR)
#undef PVIT_SCALAR

#if defined(__x86_64__)
#define PVIT_X86(member) PVIT_DECLARE(avx2, member) PVIT_DECLARE(avx512, member)
PVIT_QUANTIZED_PRODUCTS(PVIT_X86)
#define PVIT_VNNI(member) PVIT_DECLARE(avx_vnni, member)
PVIT_QUANTIZED_PRODUCTS(PVIT_VNNI)
#undef PVIT_VNNI
PVIT_PANEL_KERNELS(PVIT_X86)
PVIT_ENCODERS(PVIT_X86)
#undef PVIT_X86
#elif defined(__aarch64__)
#define PVIT_NEON(member) PVIT_DECLARE(neon, member)
PVIT_QUANTIZED_PRODUCTS(PVIT_NEON)
PVIT_PANEL_KERNELS(PVIT_NEON)
#undef PVIT_NEON
#define PVIT_NEON_DOT_PRODUCTS(member) PVIT_DECLARE(neon_dot, member)
PVIT_QUANTIZED_PRODUCTS(PVIT_NEON_DOT_PRODUCTS)
#undef PVIT_NEON_DOT_PRODUCTS
#endif

// An entry of a table: PVIT_OWN for a static function of the same file.
#define PVIT_OWN(member) .member = member,
#define PVIT_FROM_SCALAR(member) .member = pvit_scalar_##member,
#define PVIT_FROM_AVX2(member) .member = pvit_avx2_##member,
#define PVIT_FROM_AVX_VNNI(member) .member = pvit_avx_vnni_##member,
#define PVIT_FROM_AVX512(member) .member = pvit_avx512_##member,
#define PVIT_FROM_NEON(member) .member = pvit_neon_##member,
#define PVIT_FROM_NEON_DOT(member) .member = pvit_neon_dot_##member,
