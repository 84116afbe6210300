// The float kernels that this processor architecture has.
#pragma once

#include "CKernels.h"

extern const pvit_float_kernels pvit_scalar_float_kernels;
#if defined(__x86_64__)
extern const pvit_float_kernels pvit_avx2_float_kernels;
extern const pvit_float_kernels pvit_avx512_float_kernels;
#endif
#if defined(__aarch64__)
extern const pvit_float_kernels pvit_neon_float_kernels;
#endif
