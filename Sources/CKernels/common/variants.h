// The tables of kernels that this processor architecture has, one for each instruction set, and the kernels that have
// translation units of their own.
#pragma once

#include "CKernels.h"

extern const pvit_kernels pvit_scalar_kernels;
#if defined(__x86_64__)
extern const pvit_kernels pvit_avx2_kernels;
extern const pvit_kernels pvit_avx512_kernels;
#elif defined(__aarch64__)
extern const pvit_kernels pvit_neon_kernels;
extern const pvit_kernels pvit_neon_dot_kernels;
#endif

// Declares a kernel of an instruction set: a function of the type that the table's member points to.
#define PVIT_KERNEL(isa, member) __typeof__(*((const pvit_kernels *)0)->member) pvit_##isa##_##member;

// Float products (float/panels.h) and encoders (encoding/): their declarations, and their entries in a table.
#define PVIT_PANEL_KERNELS(isa)                                                                                        \
    PVIT_KERNEL(isa, pack_rows)                                                                                        \
    PVIT_KERNEL(isa, multiply_panel)                                                                                   \
    PVIT_KERNEL(isa, finish)                                                                                           \
    PVIT_KERNEL(isa, layer_norm)                                                                                       \
    PVIT_KERNEL(isa, softmax)                                                                                          \
    PVIT_KERNEL(isa, weighted_sum)                                                                                     \
    PVIT_KERNEL(isa, fma_probe)
#define PVIT_PANEL_ENTRIES(isa)                                                                                        \
    .pack_rows = pvit_##isa##_pack_rows, .multiply_panel = pvit_##isa##_multiply_panel, .finish = pvit_##isa##_finish, \
    .layer_norm = pvit_##isa##_layer_norm, .softmax = pvit_##isa##_softmax, .weighted_sum = pvit_##isa##_weighted_sum, \
    .fma_probe = pvit_##isa##_fma_probe
#define PVIT_ENCODERS(isa)                                                                                             \
    PVIT_KERNEL(isa, scan_rows)                                                                                        \
    PVIT_KERNEL(isa, encode_q4)                                                                                        \
    PVIT_KERNEL(isa, encode_q8)                                                                                        \
    PVIT_KERNEL(isa, project_rows)
#define PVIT_ENCODER_ENTRIES(isa)                                                                                      \
    .scan_rows = pvit_##isa##_scan_rows, .encode_q4 = pvit_##isa##_encode_q4, .encode_q8 = pvit_##isa##_encode_q8,     \
    .project_rows = pvit_##isa##_project_rows

PVIT_PANEL_KERNELS(scalar)
PVIT_ENCODERS(scalar)
#if defined(__x86_64__)
PVIT_PANEL_KERNELS(avx2)
PVIT_ENCODERS(avx2)
PVIT_PANEL_KERNELS(avx512)
PVIT_ENCODERS(avx512)
#elif defined(__aarch64__)
PVIT_PANEL_KERNELS(neon)
#endif
