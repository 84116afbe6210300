// The tables of kernels that this processor architecture has.
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
